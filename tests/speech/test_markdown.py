"""Markdown within a line, and what of it is spoken."""

import pytest

from avr_sts_speechmatics.speech.plain_text import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # emphasis
        ("This is ***great***!", "This is great!"),
        ("***Great** work* today", "Great work today"),
        ("__Yes__ and _no_ and ~~maybe~~", "Yes and no and maybe"),
        ("my_file_name stays", "my_file_name stays"),
        ("(*only 1*) left, footnote*", "(only 1) left, footnote"),
        ("*emph*asis, ==marked==, H~2~O, x^2^, a~b", "emphasis, marked, H2O, x^2, ab"),
        # tables
        ("| Day | Hours |\n|:---|---:|\n| Monday | 9 |", "Day, Hours Monday, 9"),
        ("a | b\n--- | ---\nc |  | d", "a, b c, d"),
        # links, images, notes
        ("See [our page](http://h/x_(y)), please", "See our page, please"),
        ('See [**it**](<http://h> "a title").', "See it."),
        ("See [our page][1] now", "See our page now"),
        ("See [source](https://x.y) and [INST] it", "See source and it"),
        ("A map: ![map](http://h/map.png) ![img_2.png](x)", "A map: map"),
        ("It is so 【4:0†source】. Really [^1].", "It is so. Really."),
        ("It is so[1], too [2][3] and [4, 5] [[6]](http://h).", "It is so, too and."),
        ("True \ue200cite\ue202turn0search1\ue201.", "True."),
        ("[^1]: A note.\n[x]: http://h\nNext", "Next"),
        ("Press [1] for sales, [Name].", "Press 1 for sales, Name."),
        ("<https://h.org/x> or <a@b.com>", "h.org or a@b.com"),
        ("(see https://example.com/a_(b)) now", "(see example.com) now"),
        ("请访问 https://example.com。谢谢", "请访问 example.com。谢谢"),
        ("请访问https://example.com/a。谢谢", "请访问example.com。谢谢"),
        ("【注意】请", "注意请"),
        # telephone keys
        ("Dial *72, *#06#, **21*5# or #31#.", "Dial *72, *#06#, **21*5# or #31#."),
        ("Press * or # or '*'.", "Press * or # or '*'."),
        ("Your number is **72** or *5*.", "Your number is 72 or 5."),
        ("Press **9** now, *72 hours* are left", "Press 9 now, 72 hours are left"),
        ("It ends **** **** 4242", "It ends **** **** 4242"),
    ],
)
def test_a_person_would_read_it_so(written: str, said: str) -> None:
    assert speakable(written) == said
