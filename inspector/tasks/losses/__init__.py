"""Losses and output activations in torch, one file each; imported through `core.registry.LOSSES` only.

Each class has three methods. `loss(out, target, card)` returns a scalar from the network's own output and the collated targets
of `Task.encode`. `activation(out, card)` is the last step of the exported graph. `cam_target(raw, card, class_index, box)`
returns the number of one frame's output that a heat map explains, and its class (default: the predicted class). Options come
from `card.training`.
"""
