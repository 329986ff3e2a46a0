"""Lessons: eight pages, and a few more, on which one learns what a network of nodes does, from a neuron to an LSTM.

Each lesson is a script that wires a small graph, runs it, and tells of the numbers of that run. `nodegraph learn 4`
opens one. In a notebook a lesson's page shows itself, and its numbers may be changed before:

    from nodegraph.viz.lessons import lesson_4_lstm as lesson
    lesson.OFFER = 0.5
    lesson.page()
"""

from nodegraph.viz.lessons.course import LESSONS, Lesson, lesson, make, make_all

__all__ = ["LESSONS", "Lesson", "make", "make_all"]
