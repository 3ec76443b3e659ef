"""The running line: cameras, engines and rules combined into verdicts, without a window."""
