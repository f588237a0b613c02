"""What goes wrong with the input of a command."""


class CommandError(ValueError):
    """A command cannot do what it was asked; the message is one sentence for the user."""
