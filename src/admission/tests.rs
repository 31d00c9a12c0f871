//! Greedy and polite clients at one door.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const fn of(uid: u32, pid: i32) -> Claimant {
    Claimant {
        peer: Some(uid),
        process: Some(pid),
    }
}

fn admission(all: usize, per_peer: usize) -> Admission {
    Admission::new(Bounds { all, per_peer })
}

/// Takes places until there is none any more.
fn fill(admission: &Admission, who: Claimant) -> Vec<Place> {
    std::iter::from_fn(|| admission.try_enter(who).ok()).collect()
}

#[test]
fn a_place_is_free_again_when_it_is_dropped() {
    let admission = admission(1, 1);
    let place = admission.try_enter(of(1, 1));
    assert!(place.is_ok() && admission.try_enter(of(1, 1)).is_err());
    drop(place);
    assert!(admission.try_enter(of(1, 1)).is_ok());
    assert_eq!((admission.taken(), admission.taken_by_one()), (0, 0));
}

#[test]
fn a_lowered_bound_lets_nobody_in_until_enough_have_left() {
    let admission = admission(3, 3);
    let mut inside = fill(&admission, of(1, 1));
    assert_eq!(inside.len(), 3);
    admission.set_bounds(Bounds { all: 1, per_peer: 1 });
    inside.truncate(1);
    assert!(admission.try_enter(of(1, 1)).is_err());
    assert!(admission.try_enter(of(2, 2)).is_err());
    inside.clear();
    assert!(admission.try_enter(of(1, 1)).is_ok());
}

#[test]
fn a_raised_bound_lets_more_in_at_once() {
    let admission = admission(0, 0);
    assert!(admission.try_enter(of(1, 1)).is_err());
    admission.set_bounds(Bounds { all: 2, per_peer: 2 });
    assert_eq!(fill(&admission, of(1, 1)).len(), 2);
}

#[test]
fn one_process_leaves_room_for_another_of_its_user_and_both_for_another_user() {
    let admission = admission(256, 192);
    let greedy = fill(&admission, of(1, 1));
    assert_eq!(greedy.len(), 144);
    let refusal = admission.try_enter(of(1, 1)).unwrap_err();
    assert_eq!((refusal.scope, refusal.is_kept), (Scope::Peer, true));
    let neighbour = fill(&admission, of(1, 2));
    assert_eq!(
        neighbour.len(),
        36,
        "three quarters of the 48 that are left to the user"
    );
    let _rest: Vec<Place> = (3..100)
        .filter_map(|pid| admission.try_enter(of(1, pid)).ok())
        .collect();
    let refusal = admission.try_enter(of(1, 100)).unwrap_err();
    assert_eq!(
        refusal,
        Refusal {
            scope: Scope::Peer,
            max: 192,
            held: 192,
            is_kept: false
        }
    );
    let other = fill(&admission, of(2, 4));
    assert_eq!(
        other.len(),
        36,
        "of the 64 that are left a user gets 48, and one process 36 of these"
    );
    assert!(
        admission.try_enter(of(3, 5)).is_ok(),
        "and there is room for a third"
    );
}

#[test]
fn a_user_with_many_processes_does_not_fill_the_house() {
    let admission = admission(256, 192);
    let crowd: Vec<Place> = (0..1_000)
        .filter_map(|pid| admission.try_enter(of(1, pid)).ok())
        .collect();
    assert_eq!(crowd.len(), 192);
    assert!(admission.try_enter(of(2, 1_000)).is_ok());
}

#[test]
fn two_greedy_users_leave_room_for_a_third() {
    let admission = admission(100, 75);
    let one = fill(&admission, of(1, 1));
    let two = fill(&admission, of(2, 2));
    assert!(one.len() > 50 && two.len() > 15, "{} {}", one.len(), two.len());
    let three = fill(&admission, of(3, 3));
    assert!(three.len() >= 10, "{}", three.len());
}

#[test]
fn what_a_greedy_process_gives_back_it_does_not_get_before_its_neighbour() {
    let admission = admission(100, 75);
    let mut greedy = fill(&admission, of(1, 1));
    let others: Vec<Place> = (2..6).flat_map(|uid| fill(&admission, of(uid, 9))).collect();
    assert!(others.len() > 30, "{}", others.len());
    greedy.pop();
    assert!(
        admission.try_enter(of(1, 1)).is_err(),
        "its user has more than its share"
    );
    assert!(
        admission.try_enter(of(1, 11)).is_ok(),
        "who has nothing gets something"
    );
}

/// Every round each client wants more, and a third of what is inside ends: the polite one is never turned away, and none of the
/// others has twice as much as one that wants as much.
#[test]
fn as_requests_come_and_go_greedy_clients_share_and_the_polite_one_is_always_served() {
    let admission = admission(120, 90);
    let polite = of(9, 90);
    let greedy = [(of(1, 1), 200), (of(2, 2), 30), (of(3, 3), 5)];
    let mut inside: Vec<(Claimant, Place)> = Vec::new();
    for round in 0..200 {
        let served = admission.try_enter(polite);
        assert!(served.is_ok(), "round {round}: {:?}", served.err());
        for (who, tries) in greedy {
            inside.extend((0..tries).filter_map(|_| Some((who, admission.try_enter(who).ok()?))));
        }
        let mut n = 0;
        inside.retain(|_| {
            n += 1;
            n % 3 != round % 3
        });
    }
    for (who, tries) in greedy {
        inside.extend((0..tries).filter_map(|_| Some((who, admission.try_enter(who).ok()?))));
    }
    let counts = greedy.map(|(who, _)| inside.iter().filter(|(of, _)| *of == who).count());
    let [first, second, third] = counts;
    assert!(first < 2 * second && third >= 5, "{counts:?}");
}

#[test]
fn a_claimant_without_a_process_has_the_places_of_its_user_to_itself() {
    assert_eq!(fill(&admission(100, 75), Claimant::user(Some(1))).len(), 75);
    assert_eq!(fill(&admission(100, 75), of(1, 1)).len(), 57);
}

#[test]
fn many_places_at_once_are_taken_and_given_back_together() {
    let admission = admission(1_000, 750);
    let place = admission.try_take(of(1, 1), 500).unwrap();
    assert_eq!(admission.taken(), 500);
    assert!(admission.try_take(of(1, 1), 100).is_err());
    assert!(admission.try_take(of(1, 2), 200).is_ok());
    drop(place);
    assert_eq!(admission.taken(), 0);
    assert!(admission.try_take(of(1, 1), 700).is_ok(), "alone there is room");
}

/// What happens at the door.
#[derive(Debug, Clone)]
enum Event {
    Enter(Claimant, usize),
    Leave(usize),
    Change(Bounds),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let enter = (0..4_u32, 0..4_i32, 1..4_usize)
        .prop_map(|(uid, pid, amount)| Event::Enter(of(uid, pid + 10 * i32::try_from(uid).unwrap()), amount));
    let change =
        (0..40_usize, 0..40_usize).prop_map(|(all, per_peer)| Event::Change(Bounds { all, per_peer }));
    let event = prop_oneof![20 => enter, 8 => (0..64_usize).prop_map(Event::Leave), 1 => change];
    prop::collection::vec(event, 0..200)
}

proptest! {
    /// Whatever comes: no bound is passed, who is refused had a reason, and when all have left nothing is counted.
    #[test]
    fn the_door_counts_right_and_never_shuts_out_whoever_has_nothing_while_there_is_room(events in events()) {
        let mut bounds = Bounds { all: 24, per_peer: 18 };
        let admission = admission(bounds.all, bounds.per_peer);
        let mut inside: Vec<(Claimant, usize, Place)> = Vec::new();
        for event in events {
            let by_peer = inside.iter().fold(BTreeMap::<_, usize>::new(), |mut sum, (who, amount, _)| {
                *sum.entry(who.peer).or_default() += amount;
                sum
            });
            let taken: usize = by_peer.values().sum();
            prop_assert_eq!(admission.taken(), taken);
            match event {
                Event::Leave(n) if !inside.is_empty() => drop(inside.swap_remove(n % inside.len())),
                Event::Leave(_) => {}
                Event::Change(new) => {
                    bounds = new;
                    admission.set_bounds(new);
                }
                Event::Enter(who, amount) => {
                    let of_peer = by_peer.get(&who.peer).copied().unwrap_or(0);
                    let has_some: BTreeSet<Claimant> = inside.iter().map(|(who, ..)| *who).collect();
                    let quota = bounds.per_peer.min(bounds.all - bounds.all / 4);
                    match admission.try_take(who, amount) {
                        Ok(place) => {
                            prop_assert!(taken + amount <= bounds.all || taken == 0);
                            prop_assert!(of_peer + amount <= quota || of_peer == 0);
                            inside.push((who, amount, place));
                        }
                        Err(_) => prop_assert!(
                            has_some.contains(&who) || taken + amount > bounds.all || of_peer + amount > quota,
                            "one who has nothing was turned away from {} of {:?}", taken, bounds
                        ),
                    }
                }
            }
        }
        inside.clear();
        prop_assert_eq!(admission.taken(), 0);
        prop_assert_eq!(admission.taken_by_one(), 0);
    }
}
