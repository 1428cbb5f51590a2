"""Examples of what is written and how it is said, one a line, the two parted by a bar."""


def examples(text: str) -> list[tuple[str, str]]:
    """Pairs of what is written and what is said."""
    lines = (line.partition(" | ") for line in text.strip().splitlines())
    return [(written, said) for written, _, said in lines]
