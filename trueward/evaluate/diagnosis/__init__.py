"""Every diagnostic of a reward model on data of one's own: resumable, never overwritten."""

from trueward.evaluate.diagnosis.beside import Beside
from trueward.evaluate.diagnosis.diagnose import diagnose
from trueward.evaluate.diagnosis.questions import Question, QuestionSet, read_questions
from trueward.evaluate.diagnosis.sets import read_sets

__all__ = ["Beside", "Question", "QuestionSet", "diagnose", "read_questions", "read_sets"]
