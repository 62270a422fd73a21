"""What became of each value: answers, outcomes, the diff, what a retry sends again."""
