"""EngageLab: ids are registered a hundred at a time; a call writes the properties of one person."""
