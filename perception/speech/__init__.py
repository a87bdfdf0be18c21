"""Emotion from the voice.

Import what you need from its module, so that nothing heavy is loaded on the way::

    from perception.speech.audio import SoundError, read_sound
    from perception.speech.model import SpeechEmotionModel
    from perception.speech.stream import SpeechStream
"""
