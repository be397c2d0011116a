"""From a resolved workflow to a plan of frozen steps."""
