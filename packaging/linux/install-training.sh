# Adds training, Grad-CAM and exporting to Inspector @VERSION@: sh inspector-training-@VERSION@-linux.run [--to FOLDER] [--check]
# shellcheck shell=sh disable=SC2154
prepare() {
    [ -x "$to/@VERSION@/inspector" ] || stop "Inspector @VERSION@ is not installed in $to. Install it first, or name its folder: --to FOLDER."
}

finish() {
    rm -rf "$to/@VERSION@/training" "$to/@VERSION@/training-licenses"
    mv "$new"/training* "$to/@VERSION@/"
    "$to/@VERSION@/inspector" -c 'import torch, torchvision, timm, nncf' || {
        rm -rf "$to/@VERSION@/training" "$to/@VERSION@"/training-*
        stop "the training pack failed its self-test and was removed."
    }
    echo "Inspector @VERSION@ can train now."
}
