//! What can't be known from the configuration and is tried both ways: a world is one consistent set of answers.

/// How many worlds of one route are looked at.
pub(super) const MAX_WORLDS: usize = 64;

/// One set of answers. Questions that come up again get the same answer.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    /// The answers that are fixed beforehand, in the order in which questions come up.
    script: Vec<usize>,
    asked: Vec<Question>,
}

#[derive(Debug, Clone)]
struct Question {
    key: String,
    answers: Vec<String>,
    answer: usize,
}

impl World {
    /// The answer to a question, out of so many as are listed; each is listed as the words it has in a report, empty
    /// where it needs none.
    pub(super) fn choose(&mut self, key: String, answers: Vec<String>) -> usize {
        if let Some(known) = self.asked.iter().find(|question| question.key == key) {
            return known.answer.min(answers.len().saturating_sub(1));
        }
        let answer = self.script.get(self.asked.len()).copied().unwrap_or(0);
        self.asked.push(Question { key, answers, answer });
        answer
    }

    /// Whether something holds that can't be known; `words` say it.
    pub(super) fn holds(&mut self, words: &str, whose: &str) -> bool {
        self.choose(format!("{whose}{words}"), vec![words.to_owned(), format!("not: {words}")]) == 0
    }

    /// The answers that were given, in words.
    pub(super) fn when(&self) -> Vec<String> {
        let words = self.asked.iter().filter_map(|question| question.answers.get(question.answer));
        words.filter(|words| !words.is_empty()).cloned().collect()
    }

    /// The world after this one, if there is another.
    pub(super) fn next(mut self) -> Option<Self> {
        while let Some(last) = self.asked.pop() {
            if last.answer + 1 < last.answers.len() {
                let mut script: Vec<usize> = self.asked.iter().map(|question| question.answer).collect();
                script.push(last.answer + 1);
                return Some(Self { script, asked: Vec::new() });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_answers_comes_once() {
        let mut world = Some(World::default());
        let mut seen = Vec::new();
        while let Some(mut this) = world {
            let first = this.holds("a", "");
            let again = this.holds("a", "");
            let second = first && this.holds("b", "");
            assert_eq!(first, again);
            seen.push((first, second));
            world = this.next();
        }
        assert_eq!(seen, [(true, true), (true, false), (false, false)]);
    }
}
