//! What a statement beside the objects does.

use super::Trouble;
use crate::models::programs::tables::{Plain, Tables, Topic, Writer};

impl Tables {
    /// What becomes of the rows.
    ///
    /// # Errors
    ///
    /// Why the database refuses it; nothing has changed then.
    pub(in crate::models::programs) fn apply(&mut self, statement: &Plain) -> Result<(), Trouble> {
        match statement {
            Plain::Grade(id, grade) => {
                if let Some(row) = self.writers.get_mut(id) {
                    row.grade = *grade;
                }
            }
            Plain::Bump(id) => {
                if let Some(row) = self.writers.get_mut(id) {
                    row.version += 1;
                }
            }
            Plain::Rename(id, name) => {
                if self.writers.contains_key(id) && self.has_name(name, Some(*id)) {
                    return Err(Trouble::Unique);
                }
                if let Some(row) = self.writers.get_mut(id) {
                    row.name.clone_from(name);
                }
            }
            Plain::AddWriter(id, name) => {
                if self.writers.contains_key(id) || self.has_name(name, None) {
                    return Err(Trouble::Unique);
                }
                let row = Writer {
                    id: *id,
                    name: name.clone(),
                    grade: None,
                    version: 1,
                };
                self.writers.insert(*id, row);
            }
            Plain::RemoveWriter(id) => {
                if self.letters.values().any(|letter| letter.writer_id == Some(*id)) {
                    return Err(Trouble::ForeignKey);
                }
                self.writers.remove(id);
            }
            Plain::Weight(..)
            | Plain::WeightAll(_)
            | Plain::Retitle(..)
            | Plain::AddTopic(..)
            | Plain::RemoveTopic(_) => {
                return self.apply_to_topics(statement);
            }
            Plain::Text(id, text) => {
                if let Some(row) = self.letters.get_mut(id) {
                    row.text.clone_from(text);
                }
            }
            Plain::Give(id, writer) => {
                if self.letters.contains_key(id) && writer.is_some_and(|writer| !self.writers.contains_key(&writer)) {
                    return Err(Trouble::ForeignKey);
                }
                if let Some(row) = self.letters.get_mut(id) {
                    row.writer_id = *writer;
                }
            }
            Plain::RemoveLetter(id) => {
                if self
                    .letters
                    .values()
                    .any(|letter| letter.reply_to == Some(*id) && letter.id != *id)
                {
                    return Err(Trouble::ForeignKey);
                }
                self.letters.remove(id);
            }
        }
        Ok(())
    }

    fn apply_to_topics(&mut self, statement: &Plain) -> Result<(), Trouble> {
        match statement {
            Plain::Weight(name, weight) => {
                if let Some(row) = self.topics.get_mut(name) {
                    row.weight = *weight;
                }
            }
            Plain::WeightAll(weight) => self.topics.values_mut().for_each(|row| row.weight = *weight),
            Plain::Retitle(from, to) if from != to => {
                if self.topics.contains_key(from) && self.topics.contains_key(to) {
                    return Err(Trouble::Unique);
                }
                if let Some(row) = self.topics.remove(from) {
                    self.topics.insert(
                        to.clone(),
                        Topic {
                            name: to.clone(),
                            ..row
                        },
                    );
                }
            }
            Plain::AddTopic(name, weight) => {
                if self.topics.contains_key(name) {
                    return Err(Trouble::Unique);
                }
                let note = Some("plain".to_owned());
                self.topics.insert(
                    name.clone(),
                    Topic {
                        name: name.clone(),
                        note,
                        weight: *weight,
                    },
                );
            }
            Plain::RemoveTopic(name) => drop(self.topics.remove(name)),
            _ => {}
        }
        Ok(())
    }

    fn has_name(&self, name: &str, other_than: Option<i32>) -> bool {
        let mut rows = self.writers.values();
        rows.any(|row| row.name == name && Some(row.id) != other_than)
    }
}
