"""A table of text: the last lines of scripts/portability and scripts/matrix."""


def table(head, rows):
    """Lines with columns of equal width, the first to the left and the others to the right."""
    rows = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) if column == 0 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
