"""What a person or a program reads of a run: rejects, summary, text, HTML, metrics, notifications."""
