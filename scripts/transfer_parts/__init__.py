"""The experiments of `measure_transfer.py`: each module knows its tasks, runs one of them, and writes its section.

`SETTINGS` is what decides a result besides the task: rows that were made with others are not used. `tasks(options)`
lists what is to be run, `run(task, options)` returns the numbers of one, and `section(rows, settings)` is the text with
its table.
"""
