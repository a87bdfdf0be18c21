"""All commands, by verb; each says where it is, what it does, and a line to try."""

from __future__ import annotations

from cli.commands import Command, Group

# fmt: off
TRAIN = Group("Train a network or a policy.", {
    "gait": Command(
        "learning.gait.train", "learning.gait.train_config:Train", "train",
        "what the legs add to the clocked gait, by PPO", "--recipe quick --out runs/quick"),
    "gait-calibration": Command(
        "learning.gait.calibrate", "Calibrate", "calibrate",
        "what a policy loses to scuffing feet, kept beside its weights", "runs/quick/policy"),
    "speech": Command(
        "learning.speech.train", "TrainConfig", "main",
        "emotion from the voice", "--data RAVDESS --folds FOLDS.json --out runs/speech", report="report"),
    "speech-detector": Command(
        "learning.speech.speech_detector", "SpeechDetectorTraining", "main",
        "speech or not", "--voices RAVDESS --other-voices NEMO --out runs/presence", report="report"),
    "face": Command(
        "learning.face.train", "TrainConfig", "main",
        "emotion from the face", "--data fer2013.tar.gz --out runs/face/ours", report="report"),
    "completion": Command(
        "learning.completion.train", "TrainConfig", "main",
        "whole shapes from rendered views", "--rendered runs/completion/train --out runs/completion/ours",
        "grasp", "report"),
    "grasp-score": Command(
        "evaluation.grasping.score_trials", "Fit", "fit",
        "the planner's score, from trials on training objects", "--data OBJECTS --views 16", "grasp"),
    "similarity": Command(
        "learning.similarity.train", "TrainSimilarity", "train",
        "a representation from answers about which two of three are most alike", "--task grid-2 --out runs/likeness"),
}, "  {prog} gait --recipe quick --out runs/quick\n  {prog} speech --help")

_COMPLETED = Command(
    "evaluation.completion.object_sets", "EvaluateCompletion", "evaluate_completion",
    "how well the shapes of whole sets of objects are completed", "--objects household/test --views 8", "grasp")
_SIMILARITY = Command(
    "benchmarks.similarity", "Args", "main",
    "every representation on every task, beside its baselines", "--tasks grid-2 --seeds 2 --out runs/similarity")

GRASP = Group("Measure grasping, or the completion that it plans on.", {
    "single": Command(
        "evaluation.grasping.evaluate", "Single", "evaluate_single",
        "one object at a time, by every cloud", "--objects household/test --views 2", "grasp"),
    "clutter": Command(
        "evaluation.grasping.rounds", "Clutter", "evaluate_clutter",
        "clear tables of five objects", "--scene pile --rounds 10", "grasp"),
    "completion": _COMPLETED,
}, "  {prog} single --objects household/test --views 2")

EVALUATE = Group("Measure against baselines, with intervals.", {
    "gait": Command(
        "evaluation.gait.evaluate", "Evaluate", "evaluate",
        "how straight, fast and steadily it walks", "--cells trot:0.5 --episodes 2"),
    "speech": Command(
        "evaluation.speech.evaluate", "EvaluateConfig", "main",
        "emotion from voices that were never met", "--data RAVDESS --folds FOLDS.json --json speech.json",
        report="report"),
    "speech-transfer": Command(
        "evaluation.speech.transfer", "TransferConfig", "main",
        "the shipped network on a corpus of another language", "--corpus nemo --data NEMO", report="report"),
    "speech-joint": Command(
        "evaluation.speech.joint", "JointConfig", "main",
        "training on two corpora, judged on voices of both",
        "--ravdess RAVDESS --folds FOLDS.json --data NEMO", report="report"),
    "face": Command(
        "evaluation.face.evaluate", "EvaluateConfig", "main",
        "emotion from faces that were never met", "--data fer2013.tar.gz --protocol private", report="report"),
    "fusion": Command(
        "evaluation.fusion.evaluate", "EvaluateConfig", "main",
        "voice and face together", "--voices RAVDESS --faces fer2013.tar.gz", report="report"),
    "sound": Command(
        "evaluation.sound.evaluate", "EvaluateConfig", "main",
        "the direction of sound in simulated rooms", "--trials 10", report="report"),
    "companion": Command(
        "apps.room_trials", "evaluation.companion.evaluate:Companion", "evaluate_companion",
        "what the dog shows, whether it comes, and what it brings, in rooms", "--parts scenarios --seeds 1", "grasp"),
    "completion": Command(
        "evaluation.completion.evaluate", "EvaluateConfig", "main",
        "completion of views that were rendered", "--rendered runs/completion/test --json -", "grasp", "report"),
    "grasp": GRASP,
    "similarity": _SIMILARITY,
    "embedding": Command(
        "evaluation.similarity.evaluate", "Evaluate", "evaluate",
        "what a saved representation tells of the true features", "--representation runs/likeness"),
    "taste": Command(
        "evaluation.similarity.closed_loop_run", "Run", "main",
        "how far answers bring the dog to what its owner likes best", "--owners 4 --answers 0 10"),
}, "  {prog} gait --cells trot:0.5 --episodes 2\n  {prog} grasp single --help")

PREDICT = Group("Tell what is in your own files.", {
    "speech": Command(
        "perception.speech.predict", "PredictConfig", "main",
        "emotion of every three seconds of sound", "interviews/ --csv interviews.csv", report="report"),
    "face": Command(
        "perception.face.predict", "PredictConfig", "main",
        "emotion of faces in pictures and videos", "interviews/ --csv interviews.csv", report="report"),
    "completion": Command(
        "perception.completion.predict", "PredictConfig", "main",
        "the whole shape of partial clouds", "assets/samples/mug.ply --out runs/completed", "grasp", "report"),
}, "  {prog} speech interviews/ --csv interviews.csv")

ENROL = Group("Let the dog get to know you.", {
    "voice": Command(
        "perception.speech.enrol", "EnrolConfig", "main",
        "so that the habits of a voice are not taken for feelings",
        "--neutral talk1.wav talk2.wav --out runs/me.safetensors", report="report"),
}, "  {prog} voice --neutral talk1.wav talk2.wav --out runs/me.safetensors")

RECORD = Group("Film what the simulation does.", {
    "sim": Command(
        "apps.headless", "Run", "run",
        "the dog and you, without a browser: a film, a timeline, or both",
        "--speech assets/samples/hello.wav --seconds 10 --record out.mp4"),
    "gait": Command(
        "apps.gait_film", "Record", "record",
        "a walk, on any ground", "--case.terrain stairs --case.speed 0.4 --out runs/stairs.mp4"),
    "grasp": Command(
        "apps.grasp_show", "Show", "show",
        "one trial: a page, and a film", "--object mug_900 --record mug.mp4", "grasp"),
}, "  {prog} gait --case.terrain stairs --case.speed 0.4 --out runs/stairs.mp4")

# Module of apps.study or evaluation.study, options, function, option that comes first, summary, example.
_STUDY = {
    name: Command(module, options, function, summary, example, "study", first=first)
    for name, module, options, function, first, summary, example in (
        ("init", "apps.study.init", "InitStudy", "init_study", "folder",
         "make a study's folder: settings, registered plan, animations", "studies/first --task grid-2"),
        ("serve", "apps.study.serve", "ServeStudy", "serve_study", "folder",
         "serve the page to participants until interrupted", "studies/first --port 8360"),
        ("simulate", "apps.study.simulate", "SimulateStudy", "simulate", "study",
         "let scripted participants of known truth take part over HTTP",
         "studies/first --n 40 --effect.block second --effect.size 0.7"),
        ("export", "apps.study.export", "ExportStudy", "export", "study",
         "write events, questionnaires and participants as Parquet and CSV", "studies/first --out data"),
        ("analyse", "evaluation.study.analyse", "Analyse", "analyse", "data",
         "run the registered analysis on an export and write the report", "data"),
        ("taste", "apps.study.taste", "LearnTaste", "learn", "study",
         "learn what one person likes from their answers, for sim_gui.py --taste",
         "studies/first --data data --out my_taste.json"),
        ("power", "evaluation.study.power", "Power", "power", "",
         "how many people and answers find an effect, from the choice model", "--people 20 40 --studies 50"),
    )
}
STUDY = Group("Run a study of what people find alike and what they like: prepare, serve, rehearse, export, analyse.",
              _STUDY, """\
  {prog} init studies/first --task grid-2         a folder: read and change study.toml, analysis.toml
  {prog} power                                    how many people find an effect
  {prog} simulate studies/first --n 40            a rehearsal in studies/first/rehearsal
  {prog} export studies/first/rehearsal --out data
  {prog} analyse data                             the registered analysis, as an HTML report
  {prog} serve studies/first                      then the page, for people""")

EXPORT = Group("Write what others can use: weights, rendered views, a study's data.", {
    "gait": Command(
        "learning.gait.export", "Export", "export",
        "a policy out of a run, as safetensors, JSON and ONNX", "runs/ppo/Empaw-Locomotion-v0_1 --out runs/mine"),
    "speech-encoder": Command(
        "learning.speech.convert", "ConvertConfig", "main",
        "the first layers of Whisper-tiny's encoder",
        "--source whisper_tiny_encoder_fp16.safetensors --out runs/encoder"),
    "views": Command(
        "datasets.views", "RenderConfig", "main",
        "partial views of object sets, to train completion on",
        "--objects household/train pybullet --out runs/completion/train", "grasp", "report"),
    "study": _STUDY["export"],
}, "  {prog} gait runs/ppo/Empaw-Locomotion-v0_1 --out runs/mine")

BENCH = Group("Measure speed and cost, or a whole table of comparisons; needs a checkout of the source.", {
    name: Command(f"benchmarks.{name.replace('-', '_')}", "Args", "main", summary, example, "dev")
    for name, summary, example in (
        ("locomotion", "steps a second: raw physics, ours, SB3's vectorised environments", "--json locomotion.json"),
        ("mixers", "convolution against ConViT attention on faces", "--data fer2013.tar.gz --epochs 1"),
        ("senses", "voice and face together, in scenes over time", "--voices RAVDESS --faces fer2013.tar.gz"),
        ("companion", "whether behaviour answers the feeling in a voice", "--data RAVDESS --folds FOLDS.json"),
        ("live", "delays of the page, and what it costs", "--seconds 10"),
        ("hostile", "attacks on the page, and what a visitor notices of them", "--seconds 10"),
        ("costs", "milliseconds and share of a core of every part", "--faces fer2013.tar.gz"),
        ("clutter", "rounds of several seeds, packed and piled, by every cloud", "--data OBJECTS --rounds 9"),
        ("grasping", "cost of a trial, by part and by number of workers", "--json grasping.json"),
        ("similarity", "all methods on all tasks: the comparison table", "--tasks grid-2 --seeds 2"),
        ("study-server", "delays under load, and what is left after kill -9", "--kills 5"),
        ("kills", "what is left of commands that are ended by kill -9 or SIGTERM", "--kills 5"),
        ("study-power", "power and error rate of a study, foretold and found", "--studies 20"),
        ("allocation", "what a pilot's rule of allocation costs and gains", "--runs 200"),
        ("fuzz", "thousands of damaged files: each is read, or refused by name", "--files 500 --out runs/fuzz"),
        ("readme", "write the tables of the README from benchmarks/results", "--check"),
    )
}, "  {prog} live --seconds 10")

SIM = Group("The simulation: open it in the browser, or run it without one.", {
    "serve": Command(
        "apps.gui.serve", "Serve", "serve", "the page, until interrupted (also without a name)", "--port 8350"),
    "run": RECORD.commands["sim"],
}, """\
  {prog}
  {prog} --port 8351
  {prog} run --speech assets/samples/hello.wav --seconds 10 --record out.mp4""", default="serve")
# fmt: on
