"""Emotion from the face.

Import what you need from its module, so that nothing heavy is loaded on the way::

    from perception.face.pictures import PictureError, read_picture
    from perception.face.model import FaceEmotionModel
    from perception.face.stream import FaceStream
"""
