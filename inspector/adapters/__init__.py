"""Foreign networks as bundles: an ONNX graph from elsewhere is recognised, completed, and compared with its own runtime."""
