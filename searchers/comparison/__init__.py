"""The instrument that compares searchers: same problem, same budget, same seeds.

Read in this order: `problems.py` (what is searched: outcomes are known at once), `playing.py` (one
searcher, one seed), `folder.py` (a run is a file; what is compared is pinned beside), `running.py`
(all runs, over the cores), `report.py` (figures, from the files alone).
"""
