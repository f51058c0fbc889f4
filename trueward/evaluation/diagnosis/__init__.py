"""Every diagnostic of a reward model on data of one's own: resumable, never overwritten."""

from trueward.evaluation.diagnosis.beside import Beside
from trueward.evaluation.diagnosis.diagnose import diagnose
from trueward.evaluation.diagnosis.questions import Question, QuestionSet, read_questions
from trueward.evaluation.diagnosis.sets import read_sets

__all__ = ["Beside", "Question", "QuestionSet", "diagnose", "read_questions", "read_sets"]
