"""The proof on a CUDA machine: a part is a list of stages, a stage is a process that leaves one JSON file."""
