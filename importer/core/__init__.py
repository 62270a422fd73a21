"""What every package may use: errors, plain data, durations, events, rejects."""
