from tests.cli.test_readme_runs import chapter_test

test_commands_run = chapter_test(
    "What you see",
    "Emotion from the face",
    "Voice and face together",
    "Where the voice comes from",
    "From the voice to the legs",
    "In a room",
)
