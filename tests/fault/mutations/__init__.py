"""`make mutations`: known bugs are planted one by one, and the tests named for each must fail.

    table.py   the bugs: where, which line, and which tests catch them
    plant.py   plants, builds what is needed, runs, takes the bug out again
"""
