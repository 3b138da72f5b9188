//! Watches a reply for tool calls, and puts its turns together. Given a reply that calls `Bash`
//! with `cat .env`, and a judge who answers that call: the call never leaves, and when the reply
//! stops for it the guard waits for a turn in which the model has read the answer.
//!
//! Only a call that must be judged by its input is kept back, and leaves as it came when it may.
//! Everything else streams on.

use crate::stream::Step;
use crate::wire::cut::{Cut, Hold};
use crate::wire::event::{Call, Frame, Shape, Substitute, Verdict};
use crate::wire::json::{Json, Kind};
use crate::wire::splice::{self, Splice};
use crate::wire::turn::{Answer, Turn, answers};
use crate::wire::{Bar, Broken, Dialect};

/// Says what becomes of a call.
pub trait Judge {
    /// Whether the call can only be judged by its input.
    fn needs_input(&self, call: &Call) -> bool;

    /// Judges a call; its input is there if it was asked for and could be put together.
    fn judge(&mut self, call: &Call, input: Option<&str>) -> Ruling;
}

/// What a judge says of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    Pass,
    /// This sentence stands in its place.
    Say(String),
    /// The model is answered so, and goes on.
    Answer(String),
    /// The model is told that the call failed, for this reason, and goes on.
    Correct(String),
    /// The agent gets another call instead.
    Become(Substitute),
    /// The reply ends here, with this sentence.
    Stop(String),
}

/// What has to happen before the end of a turn may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// Every call of the turn was answered here: the model is to go on, with the answers.
    GoOn,
    /// The agent got calls that will bring its next request; what it did not get has to be
    /// remembered until then.
    Remember,
    /// Calls were answered, but the model did not stop for them, or the turn cannot be told
    /// again: the reply ends with a sentence.
    GiveUp,
}

/// What the agent was given in place of what the model made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The model's turns and the answers to all but the last, as they stand in a conversation.
    pub told: String,
    /// The answers to the last turn.
    pub answers: Vec<Answer>,
    /// Calls that the agent got in other words: their ids, and what the model called.
    pub substituted: Vec<(String, String)>,
    /// The one turn that the agent got, likewise.
    pub given: String,
}

pub struct Guard<J> {
    judge: J,
    dialect: Dialect,
    /// Whether calls can be answered here. Where not, a sentence takes their place.
    may_answer: bool,
    /// Whether it only looks on: every frame leaves as it came, at once.
    only_looks: bool,
    /// Whether it cannot follow any more what it looks on at.
    is_lost: bool,
    gather: Cut,
    bar: Bar,
    turn: Turn,
    splice: Splice,
    rulings: Rulings,
    /// The end of the turn, while it waits.
    ending: Vec<Frame>,
    /// Earlier turns of this reply and the answers to them, as they stand in a conversation.
    earlier: Vec<String>,
    /// What the agent got.
    given: Turn,
}

/// What was ruled of the present turn.
#[derive(Debug, Default)]
struct Rulings {
    answers: Vec<Answer>,
    substituted: Vec<(String, String)>,
    passed: usize,
    /// The inputs that were judged: their place and length. A call may not grow behind that.
    judged: Vec<(u64, usize)>,
    sentences: Vec<String>,
    stop: Option<String>,
    /// Whether the reply is no stream.
    is_whole: bool,
}

impl<J: Judge> Guard<J> {
    #[must_use]
    pub fn new(judge: J, dialect: Dialect, may_answer: bool) -> Self {
        Self {
            judge,
            dialect,
            may_answer,
            only_looks: false,
            is_lost: false,
            gather: Cut::new(dialect),
            bar: Bar::new(dialect),
            turn: Turn::new(dialect),
            splice: Splice::new(dialect),
            rulings: Rulings::default(),
            ending: Vec::new(),
            earlier: Vec::new(),
            given: Turn::new(dialect),
        }
    }

    /// A guard that has calls judged and changes nothing.
    #[must_use]
    pub fn looking_on(judge: J, dialect: Dialect) -> Self {
        Self { only_looks: true, ..Self::new(judge, dialect, false) }
    }

    #[must_use]
    pub fn judge(&self) -> &J {
        &self.judge
    }

    pub fn judge_mut(&mut self) -> &mut J {
        &mut self.judge
    }

    /// Whether the agent may hear nothing for long: a call is kept back, or taken out as it comes.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        !self.only_looks && (self.gather.is_holding() || self.is_altered())
    }

    /// Joins a frame to what the agent has.
    fn leave(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let before = out.len();
        self.splice.push(frame, out)?;
        if self.may_answer {
            out[before..].iter().for_each(|frame| self.given.push(frame));
        }
        Ok(())
    }

    /// Whether the agent gets another reply than the model made.
    fn is_altered(&self) -> bool {
        self.rulings.is_altered() || !self.earlier.is_empty()
    }

    /// What a provider says of a call behind its end is nothing that was judged.
    fn check_judged(&self) -> Result<(), Broken> {
        let is_same = |(at, length): &(u64, usize)| self.turn.length(*at) == Some(*length);
        if self.rulings.judged.iter().all(is_same) { Ok(()) } else { Err(Broken::Misplaced) }
    }

    /// The sentence that the reply is to be ended with here, if a rule says so.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.rulings.stop.as_deref().filter(|_| !self.only_looks)
    }

    /// What has to happen now that the provider has said all of this turn; none where nothing has.
    #[must_use]
    pub fn pending(&self) -> Option<Pending> {
        let rulings = &self.rulings;
        if self.only_looks || !self.is_altered() || rulings.stop.is_some() {
            return None;
        }
        let for_calls = splice::stops_for_calls(self.dialect, &self.ending);
        let has_calls = rulings.passed + rulings.substituted.len() > 0;
        Some(match (has_calls, rulings.answers.is_empty()) {
            (_, true) => Pending::Remember,
            (false, false) if for_calls && self.turn.told().is_some() => Pending::GoOn,
            (true, false) if self.turn.told().is_some() => Pending::Remember,
            _ => Pending::GiveUp,
        })
    }

    /// What stands behind the request when the model goes on: the present turn, as the model made
    /// it, and the answers to it.
    #[must_use]
    pub fn continuation(&self) -> Option<String> {
        Some(format!("{},{}", self.turn.told()?, answers(self.dialect, &self.rulings.answers)))
    }

    /// What has to be remembered of the reply.
    #[must_use]
    pub fn made(&self) -> Option<Made> {
        let Rulings { answers: own, substituted, .. } = &self.rulings;
        let mut told = self.earlier.clone();
        told.push(self.turn.told()?);
        // Where answers are no part of the agent's own message they stand behind the turn.
        if self.dialect != Dialect::Messages && !own.is_empty() {
            told.push(answers(self.dialect, own));
        }
        let joined = if self.dialect == Dialect::Messages { own.clone() } else { Vec::new() };
        let (mut given, mut splice, mut leaving) = (self.given.clone(), self.splice.clone(), Vec::new());
        self.ending.iter().try_for_each(|frame| splice.push(frame.clone(), &mut leaving)).ok()?;
        leaving.iter().for_each(|frame| given.push(frame));
        Some(Made { told: told.join(","), answers: joined, substituted: substituted.clone(), given: given.told()? })
    }

    /// The calls that were answered in the present turn, as sentences for a person.
    #[must_use]
    pub fn sentences(&self) -> String {
        self.rulings.sentences.join("\n")
    }

    /// The end of the turn leaves.
    ///
    /// # Errors
    /// [`Broken`] when it cannot be joined to what the agent has.
    pub fn release(&mut self, out: &mut Vec<Frame>) -> Result<(), Broken> {
        self.rulings = Rulings::default();
        std::mem::take(&mut self.ending).into_iter().try_for_each(|frame| self.leave(frame, out))
    }

    /// Another turn follows, whose frames come next.
    ///
    /// # Errors
    /// [`Broken`] when more was delivered than can be told again.
    pub fn go_on(&mut self, out: &mut Vec<Frame>) -> Result<(), Broken> {
        self.earlier.extend(self.continuation());
        let ending = std::mem::take(&mut self.ending);
        let before = out.len();
        self.splice.go_on(ending, out)?;
        out[before..].iter().for_each(|frame| self.given.push(frame));
        self.rulings = Rulings::default();
        self.gather = Cut::new(self.dialect);
        self.bar = Bar::new(self.dialect);
        self.turn = Turn::new(self.dialect);
        Ok(())
    }

    /// Ends a reply that is no stream with a sentence.
    ///
    /// # Errors
    /// [`Broken`] when it has no end yet.
    pub fn end_whole(&mut self, sentence: &str, out: &mut Vec<Frame>) -> Result<(), Broken> {
        let last = self.ending.pop().filter(|frame| frame.shape == Shape::Whole).ok_or(Broken::Unreadable)?;
        self.rulings = Rulings::default();
        self.splice.end_whole(last, sentence, out)
    }
}

impl<J: Judge> Step for Guard<J> {
    fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        if !self.only_looks {
            return self.watch(frame, out);
        }
        // What cannot be followed is not judged any more, and is the provider's to have said.
        if !self.is_lost {
            self.is_lost = self.watch(frame.clone(), &mut Vec::new()).is_err();
            self.ending.clear();
        }
        out.push(frame);
        Ok(())
    }
}

impl<J: Judge> Guard<J> {
    fn watch(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        if self.rulings.stop.is_some() {
            return Ok(());
        }
        self.rulings.is_whole = frame.shape == Shape::Whole;
        self.turn.push(&frame);
        self.check_judged()?;
        let judge = &self.judge;
        let mut gathered = Vec::new();
        self.gather.push(frame, Hold::Calls(&|call| judge.needs_input(call)), &mut gathered)?;
        for frame in gathered {
            let mut barred = Vec::new();
            let Self { judge, bar, turn, rulings, may_answer, .. } = self;
            bar.push(frame, &mut |call| rulings.rule(judge, turn, (call, *may_answer)), &mut barred)?;
            for frame in barred {
                let waits = self.is_altered() && splice::is_ending(self.dialect, &frame);
                if waits || !self.ending.is_empty() {
                    self.ending.push(frame);
                } else {
                    self.leave(frame, out)?;
                }
            }
        }
        Ok(())
    }
}

impl Rulings {
    fn is_altered(&self) -> bool {
        !self.answers.is_empty() || !self.substituted.is_empty()
    }

    fn rule<J: Judge>(&mut self, judge: &mut J, turn: &Turn, (call, may_answer): (&Call, bool)) -> Verdict {
        if self.stop.is_some() {
            return Verdict::Hide;
        }
        let input = if judge.needs_input(call) && !call.is_providers { turn.input(call.at) } else { None };
        self.judged.extend(input.as_ref().and_then(|_| Some((call.at, turn.length(call.at)?))));
        let is_custom = turn.is_custom(call.at);
        match judge.judge(call, input.as_deref()) {
            Ruling::Pass => {
                self.passed += usize::from(!call.is_providers);
                Verdict::Pass
            }
            Ruling::Say(sentence) => Verdict::Say(sentence),
            Ruling::Answer(text) | Ruling::Correct(text) if !may_answer || call.is_providers || call.id.is_empty() => {
                Verdict::Say(text)
            }
            Ruling::Answer(text) => self.answer(Answer { id: call.id.clone(), text, is_error: false, is_custom }),
            Ruling::Correct(text) => {
                self.sentences.push(text.clone());
                self.answer(Answer { id: call.id.clone(), text, is_error: true, is_custom })
            }
            Ruling::Become(other) => {
                self.substituted.push((call.id.clone(), call.name.clone()));
                Verdict::Become(other)
            }
            Ruling::Stop(sentence) => {
                self.stop = Some(sentence.clone());
                // A stream is ended by other hands, which say it there.
                if self.is_whole { Verdict::Say(sentence) } else { Verdict::Hide }
            }
        }
    }

    fn answer(&mut self, answer: Answer) -> Verdict {
        self.answers.push(answer);
        Verdict::Hide
    }
}

/// Whether the input of a call is one that every reader reads alike: a JSON object without a key
/// twice, or for a tool that takes text, text.
#[must_use]
pub fn is_plain(input: &str) -> bool {
    Json::read(input.to_owned().into()).is_ok_and(|json| json.root().kind() == Kind::Object)
}
