"""report.html: what a job has come to, on one page made from the files of its run.

One file per section: a function of the Evidence that returns HTML, empty where there is nothing to
say. page.py puts them in order; a section that fails says so and takes none of the others with it.
"""
