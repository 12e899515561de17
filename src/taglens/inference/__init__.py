"""From pictures to probabilities, files of them, and heatmaps; nothing here holds more than a few batches."""
