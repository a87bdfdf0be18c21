"""The interactive simulation: one server, one page, one thread that owns the physics."""
