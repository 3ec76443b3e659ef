"""Losses and output activations in torch, a file each; reached through `core.registry.LOSSES` only.

Each class has `loss(out, target, card)`: the network's own output and the collated targets of `Task.encode` -> a scalar; and
`activation(out, card)`: what the exported graph ends with; and `cam_target(raw, card, class_index, box)`: the number of one
frame's output that a heat map explains, by default of the class that the network names, with that class.
Choices come from `card.training`.
"""
