#!/usr/bin/env bash
# segmentation_models_pytorch: the Dice loss (binary and multilabel, as in its examples) of a batch without any defect is exactly 0
# with a gradient of 0, even if the network calls every pixel defective; so are its Jaccard and Tversky losses. Nothing is learnt
# from such a batch. Its documentation names no such case. Add a term that counts false pixels (cross-entropy), or see to it that
# every batch holds a defect.
# Why it matters: On a line nearly all parts are good. With small batches most steps then teach nothing, and false alarms on good
# parts cost the training nothing, while its loss looks perfect.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -qq --disable-pip-version-check \
    numpy==2.4.6 torch==2.15.0 torchvision==0.29.2 timm==1.0.31 segmentation-models-pytorch==0.6.0
cd "$work"
"$work/venv/bin/python" -I - <<'PYTHON'
import segmentation_models_pytorch as smp
import torch

print("segmentation_models_pytorch", smp.__version__)
good, defective = torch.zeros(4, 1, 32, 32), torch.zeros(4, 1, 32, 32)
defective[0, 0, 10:13, 10:13] = 1
losses = {
    "Dice, binary": smp.losses.DiceLoss("binary"),
    "Dice, multilabel": smp.losses.DiceLoss("multilabel"),
    "Jaccard, binary": smp.losses.JaccardLoss("binary"),
    "Tversky, binary": smp.losses.TverskyLoss("binary"),
}
for name, loss in losses.items():
    seen = []
    for truth in (good, defective):
        said = torch.full((4, 1, 32, 32), 2.0, requires_grad=True)  # every pixel is a defect, with 88 %
        value = loss(said, truth)
        value.backward()
        seen += [round(value.item(), 4), float(said.grad.abs().sum())]
    print(f"{name:17} four good parts: loss {seen[0]:g}, gradient {seen[1]:g}; one of them with a defect of 3 x 3 pixels: "
          f"loss {seen[2]:g}, gradient {seen[3]:.2g}")
    assert seen[:2] == [0.0, 0.0] and seen[2] > 0.9 and seen[3] > 0
cross_entropy = float(torch.nn.functional.binary_cross_entropy_with_logits(torch.full((4, 1, 32, 32), 2.0), good))
print(f"cross-entropy of the same answers to four good parts: {cross_entropy:.2f}")
assert cross_entropy > 2
PYTHON
