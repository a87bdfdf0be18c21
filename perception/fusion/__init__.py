"""Voice and face fused.

Import what you need from its module, so that nothing heavy is loaded on the way::

    from perception.fusion.filter import EmotionFilter
"""
