"""From the part of an object that a camera sees to all of it: views, network, training, figures."""
