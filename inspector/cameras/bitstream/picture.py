"""What one access unit says of its picture."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Picture:
    """`shows`: whether there is picture data in it. `key`: nothing before it is needed for it, nor for what comes after it.

    `enters`: a decoder may begin with it, although pictures that come after it may refer to some before it.
    `leading`: may refer to pictures before the key picture that it follows. `follows`: all pictures it needs have come.
    `begins`: where its slices begin.
    """

    shows: bool = True
    key: bool = False
    enters: bool = False
    leading: bool = False
    follows: bool = True
    begins: tuple[int, ...] = ()
