"""The running line: cameras, engines and rules joined into verdicts, without a window."""
