"""Thermal TIFF: unit and scale by the file, by a person, by what is plausible; dead pixels; and nothing else than kelvin."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from inspector.core.errors import ConfigError
from inspector.imaging.files import read_image
from inspector.imaging.image import Reading

CELSIUS = np.random.default_rng(0).uniform(20, 180, (12, 16)).astype(np.float32)
KELVIN = CELSIUS + np.float32(273.15)


def _gdal(**items: object) -> str:
    lines = (f'<Item name="{name.upper()}" sample="0" role="{name}">{value}</Item>' for name, value in items.items())
    return "<GDALMetadata>" + "".join(lines) + "</GDALMetadata>"


def _write(path: Path, values: NDArray[Any], *, gdal: str = "", nodata: str = "", description: str | None = None) -> Path:
    tags = [(code, "s", 0, text.encode(), True) for code, text in ((42112, gdal), (42113, nodata)) if text]
    tifffile.imwrite(path, values, photometric="minisblack", metadata=None, description=description, extratags=tags)
    return path


@pytest.mark.parametrize("unit", ["degC", "°C", "Celsius", "C", "degrees Celsius"])
def test_a_picture_in_celsius_that_says_so_is_converted(tmp_path: Path, unit: str) -> None:
    image = read_image(_write(tmp_path / "a.tif", CELSIUS, gdal=_gdal(unittype=unit)))
    assert image.unit == "kelvin"
    np.testing.assert_allclose(image.pixels, KELVIN, atol=1e-3)
    assert image.notes == ()


@pytest.mark.parametrize("said", ["unit=Celsius", '{"units": "degC"}', "Temperature unit: C", "made by X\nvunit=C\n"])
def test_the_description_may_say_the_unit(tmp_path: Path, said: str) -> None:
    image = read_image(_write(tmp_path / "a.tif", CELSIUS, description=said))
    np.testing.assert_allclose(image.pixels, KELVIN, atol=1e-3)


def test_the_unit_of_lengths_is_none_of_temperatures(tmp_path: Path) -> None:
    image = read_image(_write(tmp_path / "a.tif", KELVIN, description="ImageJ=1.5\nunit=micron\nspacing=2\n"))
    np.testing.assert_array_equal(image.pixels, KELVIN)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32])
def test_integers_with_gdal_scale_offset_and_unit(tmp_path: Path, dtype: type) -> None:
    stored = np.rint(CELSIUS * 100).astype(dtype)
    image = read_image(_write(tmp_path / "a.tif", stored, gdal=_gdal(scale=0.01, offset=0, unittype="degC")))
    assert image.unit == "kelvin"
    np.testing.assert_allclose(image.pixels, stored * 0.01 + 273.15, atol=1e-3)
    stored = np.rint((KELVIN - 200) * 100).astype(dtype)
    image = read_image(_write(tmp_path / "a.tif", stored, gdal=_gdal(scale=0.01, offset=200, unittype="K")))
    np.testing.assert_allclose(image.pixels, KELVIN, atol=0.01)


def test_hundredths_of_a_kelvin_by_their_name_or_by_a_person(tmp_path: Path) -> None:
    stored = np.rint(KELVIN * 100).astype(np.uint16)
    image = read_image(_write(tmp_path / "a.tif", stored, gdal=_gdal(unittype="centikelvin")))
    np.testing.assert_allclose(image.pixels, KELVIN, atol=0.01)
    plain = _write(tmp_path / "b.tif", stored)
    assert read_image(plain).unit == "intensity"
    image = read_image(plain, Reading(unit="kelvin", scale=0.01))
    assert image.unit == "kelvin"
    np.testing.assert_allclose(image.pixels, KELVIN, atol=0.01)


def test_without_a_unit_what_could_be_celsius_names_both_readings_and_a_person_decides(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tif", CELSIUS)
    with pytest.raises(ConfigError) as caught:
        read_image(path)
    low, high = float(CELSIUS.min()), float(CELSIUS.max())
    assert f"read as kelvin {low - 273.15:.0f} to {high - 273.15:.0f} °C" in str(caught.value)
    assert f"read as Celsius {low:.0f} to {high:.0f} °C" in str(caught.value)
    np.testing.assert_allclose(read_image(path, Reading(unit="celsius")).pixels, KELVIN, atol=1e-3)
    cold = _write(tmp_path / "b.tif", CELSIUS + 60)
    np.testing.assert_array_equal(read_image(cold, Reading(unit="kelvin")).pixels, CELSIUS + 60)
    warm = _write(tmp_path / "c.tif", CELSIUS * 1.8 + 32)
    np.testing.assert_allclose(read_image(warm, Reading(unit="fahrenheit")).pixels, KELVIN, atol=1e-2)


def test_a_scale_without_unit_names_both_readings_too(tmp_path: Path) -> None:
    stored = np.rint(CELSIUS * 100).astype(np.uint16)
    path = _write(tmp_path / "a.tif", stored, gdal=_gdal(scale=0.01))
    with pytest.raises(ConfigError, match="nothing says which"):
        read_image(path)
    np.testing.assert_allclose(read_image(path, Reading(unit="celsius")).pixels, KELVIN, atol=0.01)
    assert read_image(path, Reading(unit="intensity")).unit == "intensity"


def test_pixels_without_data_are_masked(tmp_path: Path) -> None:
    values = KELVIN.copy()
    values[:2] = -9999
    image = read_image(_write(tmp_path / "a.tif", values, nodata="-9999"))
    assert np.isnan(image.pixels[:2]).all()
    np.testing.assert_array_equal(image.pixels[2:], KELVIN[2:])
    assert image.notes[0].text == "Pixels without a temperature are left out: 32."
    with pytest.raises(ConfigError, match="nothing says which"):
        read_image(_write(tmp_path / "b.tif", values))
    with pytest.raises(ConfigError):
        read_image(_write(tmp_path / "c.tif", np.full_like(values, np.nan)))


def test_an_entity_in_the_metadata_is_not_followed(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "0.01">]><GDALMetadata><Item name="SCALE" sample="0" role="scale">&b;</Item></GDALMetadata>'
    np.testing.assert_array_equal(read_image(_write(tmp_path / "a.tif", KELVIN, gdal=bomb)).pixels, KELVIN)
