//! Stock and ours at the same work: they meet after each step, where what both leave has to become the same.
//!
//! Either may need several requests to write down what a run came to (stock writes conditions first), may take a state on
//! its way for a failure and try again, and events follow when there is time. So nobody looks just once: both look again and
//! again until what they see has stayed the same for a while and equals what the other one sees, or until time is up.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::testbed::PATIENCE;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::app::Owner;

/// Pause between two looks.
const AGAIN: Duration = Duration::from_millis(100);

/// For how long both have to see the same.
const STILL: Duration = Duration::from_millis(400);

/// One of the two, with its way to the other.
pub(crate) struct Side {
    pub(crate) owner: Owner,
    meeting: Arc<Mutex<Meeting>>,
}

#[derive(Default)]
struct Meeting {
    stock: Seat,
    ours: Seat,
    /// How many steps have been agreed upon, and what was seen after the last one.
    agreed: (usize, Value),
}

/// How far one of the two has come.
#[derive(Default)]
struct Seat {
    /// How many steps it has taken.
    steps: usize,
    /// What was compared after each.
    names: Vec<String>,
    /// What it sees after the last one; nothing as long as that is not over.
    seen: Option<Seen>,
}

/// What one of the two sees.
struct Seen {
    value: Value,
    /// When it saw that first, and when last without anything else in between.
    first: Instant,
    last: Instant,
}

impl Seen {
    /// Whether it has seen the same for long enough: one look tells nothing, however long ago it was.
    fn is_still(&self) -> bool {
        self.last.duration_since(self.first) >= STILL
    }
}

/// What there is to say about a step.
#[derive(Debug, PartialEq)]
enum Verdict {
    Agreed(Value),
    /// The other one has not come so far.
    Alone,
    Apart(String),
}

impl Meeting {
    fn seats(&mut self, owner: Owner) -> (&mut Seat, &mut Seat) {
        match owner {
            Owner::Stock => (&mut self.stock, &mut self.ours),
            Owner::Ours | Owner::Shard(_) => (&mut self.ours, &mut self.stock),
        }
    }

    /// Takes note of what one of the two sees after its last step.
    fn note(&mut self, owner: Owner, seen: Option<Value>, now: Instant) -> Verdict {
        let (own, _) = self.seats(owner);
        let steps = own.steps;
        match (&mut own.seen, seen) {
            (Some(known), Some(value)) if known.value == value => known.last = now,
            (known, value) => {
                *known = value.map(|value| Seen {
                    value,
                    first: now,
                    last: now,
                });
            }
        }
        if self.agreed.0 == steps {
            return Verdict::Agreed(self.agreed.1.clone());
        }
        let (stock, ours) = (&self.stock, &self.ours);
        if stock.steps != ours.steps {
            return Verdict::Alone;
        }
        match (&stock.seen, &ours.seen) {
            (Some(stock), Some(ours)) if stock.value == ours.value => {
                if !stock.is_still() || !ours.is_still() {
                    return Verdict::Apart("both see the same, but not for long enough".to_owned());
                }
                self.agreed = (steps, ours.value.clone());
                Verdict::Agreed(self.agreed.1.clone())
            }
            (stock, ours) => {
                let [stock, ours] = [stock, ours]
                    .map(|seen| seen.as_ref().map(|seen| seen.value.clone()).unwrap_or_default());
                Verdict::Apart(format!(
                    "{}\n\nall of it:\nours  {ours:#}\nstock {stock:#}",
                    difference("", &stock, &ours)
                ))
            }
        }
    }
}

impl Side {
    /// Meets the other one after a step: what both see is the same in the end. Gives it.
    ///
    /// A `look` that gives nothing says that the step is not over.
    pub(crate) async fn same(
        &self,
        step: &str,
        look: impl AsyncFn() -> Result<Option<Value>>,
    ) -> Result<Value> {
        {
            let mut meeting = self.meeting.lock();
            let (own, other) = meeting.seats(self.owner);
            own.steps += 1;
            own.names.push(step.to_owned());
            own.seen = None;
            let theirs = other.names.get(own.steps - 1);
            assert!(
                theirs.is_none_or(|theirs| theirs == step),
                "{step} is not {theirs:?}"
            );
        }
        let mut together = None;
        loop {
            let seen = look().await?;
            let now = Instant::now();
            let verdict = self.meeting.lock().note(self.owner, seen, now);
            match verdict {
                Verdict::Agreed(seen) => return Ok(seen),
                Verdict::Alone => {}
                Verdict::Apart(how) => {
                    let since = *together.get_or_insert(now);
                    assert!(
                        now.duration_since(since) < PATIENCE,
                        "{step}: after {PATIENCE:?}, {how}"
                    );
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
    }
}

/// Has stock and ours do the same work at once; gives what came of it for stock and for ours.
pub(crate) async fn together<T>(work: impl AsyncFn(Side) -> Result<T>) -> Result<(T, T)> {
    let meeting = Arc::new(Mutex::new(Meeting::default()));
    let side = |owner| Side {
        owner,
        meeting: Arc::clone(&meeting),
    };
    let (stock, ours) = (work(side(Owner::Stock)), work(side(Owner::Ours)));
    let both = tokio::try_join!(Box::pin(stock), Box::pin(ours))?;
    let meeting = meeting.lock();
    assert_eq!(meeting.stock.names, meeting.ours.names);
    assert!(!meeting.ours.names.is_empty(), "nothing was compared");
    Ok(both)
}

/// Says where two values differ, one line per place.
fn difference(at: &str, stock: &Value, ours: &Value) -> String {
    match (stock, ours) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            let none = Value::Null;
            let each = keys.into_iter().map(|key| {
                let (a, b) = (a.get(key).unwrap_or(&none), b.get(key).unwrap_or(&none));
                difference(&format!("{at}/{key}"), a, b)
            });
            each.collect()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let each = a.iter().zip(b).enumerate();
            each.map(|(n, (a, b))| difference(&format!("{at}/{n}"), a, b))
                .collect()
        }
        (a, b) if a == b => String::new(),
        (a, b) => format!("\n{at}\n  stock {a}\n  ours  {b}"),
    }
}

/// Two meet who see these, one after the other; gives how often each had to look.
async fn looks(stock: &[Value], ours: &[Value]) -> Result<(usize, usize)> {
    let count = async |side: Side| {
        let looks = std::cell::Cell::new(0);
        let all = if side.owner == Owner::Stock { stock } else { ours };
        let last = all.last().cloned().unwrap_or_default();
        let seen = side.same("a step", async || {
            let at = looks.replace(looks.get() + 1);
            Ok(Some(all.get(at).cloned().unwrap_or_else(|| last.clone())).filter(|seen| !seen.is_null()))
        });
        assert_eq!(seen.await?, last);
        anyhow::Ok(looks.get())
    };
    together(count).await
}

#[tokio::test]
async fn both_look_until_they_have_seen_the_same_for_a_while() -> Result<()> {
    let (stock, ours) = looks(&[json!(1)], &[json!(1)]).await?;
    assert!(stock >= 2 && ours >= 2, "{stock} {ours}");
    // On its way one of them is where the other has come to, and goes on.
    let way = [
        Value::Null,
        json!({"ready": false}),
        json!({"ready": false}),
        json!({"ready": true}),
    ];
    let (stock, _) = looks(&way, &[json!({"ready": true})]).await?;
    assert!(stock > way.len(), "{stock}");
    Ok(())
}

/// Both have taken a step, and look when they are told to.
fn after_a_step() -> Meeting {
    let mut meeting = Meeting::default();
    (meeting.stock.steps, meeting.ours.steps) = (1, 1);
    meeting
}

#[test]
fn two_who_see_something_else_never_agree() {
    let (mut meeting, start) = (after_a_step(), Instant::now());
    for look in 0..20 {
        let now = start + STILL * look;
        for (owner, value) in [(Owner::Stock, json!(1)), (Owner::Ours, json!(2))] {
            let verdict = meeting.note(owner, Some(value), now);
            assert!(matches!(verdict, Verdict::Apart(_)), "{look}: {verdict:?}");
        }
    }
    // One of them comes to what the other sees, and from then on it takes its time.
    let now = |more| start + STILL * 20 + more;
    let pause = STILL / 4;
    for look in 0..4 {
        let verdict = meeting.note(Owner::Ours, Some(json!(1)), now(pause * look));
        assert!(matches!(verdict, Verdict::Apart(_)), "{look}: {verdict:?}");
        let verdict = meeting.note(Owner::Stock, Some(json!(1)), now(pause * look));
        assert!(matches!(verdict, Verdict::Apart(_)), "{look}: {verdict:?}");
    }
    let verdict = meeting.note(Owner::Ours, Some(json!(1)), now(STILL));
    assert_eq!(verdict, Verdict::Agreed(json!(1)));
}

#[test]
fn one_look_of_either_is_not_enough_however_long_ago_it_was() {
    let start = Instant::now();
    for (often, once) in [(Owner::Stock, Owner::Ours), (Owner::Ours, Owner::Stock)] {
        let mut meeting = after_a_step();
        meeting.note(once, Some(json!(1)), start);
        for look in 0..20 {
            let verdict = meeting.note(often, Some(json!(1)), start + STILL * look);
            assert!(matches!(verdict, Verdict::Apart(_)), "{look}: {verdict:?}");
        }
        // Its second look may be another one, and counts anew.
        let verdict = meeting.note(once, None, start + STILL * 20);
        assert!(matches!(verdict, Verdict::Apart(_)), "{verdict:?}");
        let verdict = meeting.note(once, Some(json!(1)), start + STILL * 21);
        assert!(matches!(verdict, Verdict::Apart(_)), "{verdict:?}");
        let verdict = meeting.note(once, Some(json!(1)), start + STILL * 22);
        assert_eq!(verdict, Verdict::Agreed(json!(1)));
    }
}

#[test]
fn differences_are_told_by_place() {
    let (a, b) = (
        json!({"a": [1, {"b": 2}], "c": 3}),
        json!({"a": [1, {"b": 4}], "c": 3}),
    );
    assert_eq!(difference("", &a, &b), "\n/a/1/b\n  stock 2\n  ours  4");
    assert_eq!(difference("", &a, &a), "");
}
