"""Which classes sound like good parts."""

import pytest

from inspector.data.good_classes import guess_good_classes


@pytest.mark.parametrize(
    ("classes", "good"),
    [
        (("MT_Break", "MT_Crack", "MT_Free"), ("MT_Free",)),
        (("bad", "good"), ("good",)),
        (("NG", "OK"), ("OK",)),
        (("ok", "not_ok"), ("ok",)),
        (("OK1", "OK2", "NG"), ("OK1", "OK2")),
        (("normal", "abnormal"), ("normal",)),
        (("defect", "no_defect"), ("no_defect",)),
        (("crack-free", "crack"), ("crack-free",)),
        (("良品", "不良品"), ("良品",)),
        (("正常", "異常"), ("正常",)),
        (("合格", "不合格"), ("合格",)),
        (("1_良品", "2_キズ"), ("1_良品",)),
        (("ＯＫ", "ＮＧ"), ("ＯＫ",)),
        (("scratch", "dent"), ()),
        (("good", "ok"), ()),  # nothing would be bad: the names do not answer it
        (("books", "frees"), ()),
        (("fine", "fine_scratch", "Fine Crack"), ("fine",)),
    ],
)
def test_names_of_good_parts(classes: tuple[str, ...], good: tuple[str, ...]) -> None:
    assert guess_good_classes(classes) == good
