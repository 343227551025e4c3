"""A schedule in a program of one's own."""

from __future__ import annotations


def schedule_code(text: str, updates: int) -> str:
    """Lines that make torch follow the schedule that `text` is the notation of.

    >>> print(schedule_code("warmup(5) >> cosine()", 50))
    schedule = (latih.schedules.warmup(5) >> latih.schedules.cosine()).over(50)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)  # scheduler.step() after every update
    """
    pieces = " >> ".join(f"latih.schedules.{piece.strip()}" for piece in text.split(">>"))
    return (
        f"schedule = ({pieces}).over({updates})\n"
        "scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)  # scheduler.step() after every update"
    )
