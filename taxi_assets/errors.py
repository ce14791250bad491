"""The errors a person can mend. One class: what differs is the sentence, not the handling."""


class TaxiError(Exception):
    """Something a person can put right; `str(error)` is one line that says what is wrong and what to do."""
