"""What a training takes of the machine: devices, processes and threads."""
