"""The board: folds what the others show into one versioned picture, and shows it to whoever asks."""
