"""What says how good a sample or a step of thinking is: endpoints that the operator named, or the model."""
