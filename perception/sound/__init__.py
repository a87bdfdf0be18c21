"""Direction of sound: where somebody speaks, from four microphones on the dog's head.

Import what you need from its module, so that nothing heavy is loaded on the way::

    from perception.sound.array import HeadPose, MicArray
    from perception.sound.doa import DoaEstimate, DoaStream
    from evaluation.sound.rooms import Room, record

Only `rooms` and the evaluation need pyroomacoustics; listening needs numpy alone.
"""
