"""Large images in tiles: squares of equal size that overlap, so that small defects keep their pixels."""

from typing import Self

from pydantic import ConfigDict, Field, model_validator

from inspector.core.config import FiniteModel
from inspector.core.message import Message, message
from inspector.core.types import Region

_MOST_OVERLAP = 0.5  # of a tile


class Tiling(FiniteModel):
    """How an image or region is divided. An object up to the overlap's size is whole in at least one tile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: int = Field(ge=32, le=4096, description="side of a tile in frame pixels")
    overlap: int = Field(0, ge=0, le=2048, description="least overlap of neighbouring tiles in frame pixels")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.overlap > _MOST_OVERLAP * self.size:
            raise ValueError("tiles overlap by at most half of their size")
        return self

    def misfit(self, region: Region) -> Message | None:
        """Return why a region cannot be divided, or None: a tile that is larger would show objects larger than in training."""
        if min(region.width, region.height) >= self.size:
            return None
        return message(
            "A tile of {size} px is larger than the image or region of {width} x {height} px.",
            size=self.size,
            width=region.width,
            height=region.height,
        )

    def tiles(self, region: Region) -> list[Region]:
        """Return the tiles of a region, row by row, evenly spaced from edge to edge."""
        return [
            Region(region.x + x, region.y + y, self.size, self.size)
            for y in self._starts(region.height)
            for x in self._starts(region.width)
        ]

    def _starts(self, length: int) -> list[int]:
        count = max(1, -(-(length - self.overlap) // (self.size - self.overlap)))
        return [round(index * (length - self.size) / max(count - 1, 1)) for index in range(count)]
