use proptest::prelude::*;
use serde::de::DeserializeOwned;

use super::*;
use crate::Invite;
use crate::sample::{Cell, HOUR, at};

impl Cell {
    fn begin(&self, offer: &Offer) -> (Joining, Join) {
        let begun = Joining::begin(
            offer.clone(),
            self.claims.clone(),
            &self.key,
            Secret::new([1; 32]),
        );
        begun.unwrap()
    }

    fn answer(&self, offer: &Offer, join: &Join) -> Result<(Inviting, Welcome), CellError> {
        let (claims, nonce) = (self.claims.clone(), Secret::new([2; 32]));
        Inviting::answer(offer.clone(), join, claims, &self.key, nonce, at(0))
    }
}

fn two() -> (Cell, Cell) {
    (Cell::new("alpha", 1), Cell::new("beta", 2))
}

/// As it comes from the other side.
fn sent<T: Serialize + DeserializeOwned>(message: &T) -> T {
    serde_json::from_str(&serde_json::to_string(message).unwrap()).unwrap()
}

#[test]
fn two_cells_know_each_other_and_say_the_same_code() {
    let (alpha, beta) = two();
    let invite = sent(&Invite::seal(&beta.offer(), &beta.key).unwrap());
    let offer = invite.open(at(0)).unwrap();
    assert_eq!(offer, beta.offer());
    let (joining, join) = alpha.begin(&offer);
    let join = sent(&join);
    assert_eq!(join.invite().unwrap(), offer.id);
    let (inviting, welcome) = beta.answer(&beta.offer(), &join).unwrap();
    assert_eq!(*inviting.joiner(), alpha.claims);
    let (reveal, at_alpha) = joining.welcomed(&sent(&welcome)).unwrap();
    let at_beta = inviting.revealed(&sent(&reveal)).unwrap();
    assert_eq!(at_alpha.claims, beta.claims);
    assert_eq!(at_beta.claims, alpha.claims);
    assert_eq!(at_alpha.code, at_beta.code);
}

#[test]
fn invite_fits_a_code_that_cameras_read() {
    let beta = Cell::new("beta", 2);
    let text = serde_json::to_string(&Invite::seal(&beta.offer(), &beta.key).unwrap()).unwrap();
    println!("{} bytes", text.len());
    // ISO/IEC 18004: bytes in version 27 with the least correction of errors.
    assert!(text.len() <= 1_465, "{}", text.len());
}

#[test]
fn invite_is_good_until_it_is_over() {
    let (alpha, beta) = two();
    let invite = Invite::seal(&beta.offer(), &beta.key).unwrap();
    assert!(invite.open(at(HOUR - 1)).is_ok());
    let over = invite.open(at(HOUR));
    assert!(matches!(over, Err(CellError::Expired(_))), "{over:?}");
    // Who began in time is too late as well.
    let (_, join) = alpha.begin(&beta.offer());
    let (claims, nonce) = (beta.claims.clone(), Secret::new([2; 32]));
    let late = Inviting::answer(beta.offer(), &join, claims, &beta.key, nonce, at(HOUR));
    assert!(matches!(late, Err(CellError::Expired(_))), "{late:?}");
}

#[test]
fn invite_of_another_and_of_oneself_are_refused() {
    let (alpha, beta) = two();
    let mut foreign = beta.offer();
    foreign.claims.name = "gamma".parse().unwrap();
    // Signed by somebody who it is not about.
    let invite = Invite::seal(&foreign, &alpha.key).unwrap();
    assert!(matches!(invite.open(at(0)), Err(CellError::OtherInvite)));
    let own = Joining::begin(
        beta.offer(),
        beta.claims.clone(),
        &beta.key,
        Secret::new([1; 32]),
    );
    assert!(matches!(own, Err(CellError::Itself)));
}

#[test]
fn joiner_must_know_the_secret_and_mean_this_invite() {
    let (alpha, beta) = two();
    let mut guessed = beta.offer();
    guessed.secret = Secret::new([8; 32]);
    let (_, join) = alpha.begin(&guessed);
    let refused = beta.answer(&beta.offer(), &join);
    assert!(matches!(refused, Err(CellError::Secret)), "{refused:?}");
    let mut other = beta.offer();
    other.id = Uuid::from_u128(8);
    let (_, join) = alpha.begin(&other);
    let refused = beta.answer(&beta.offer(), &join);
    assert!(
        matches!(refused, Err(CellError::OtherInvite)),
        "{refused:?}"
    );
    // The same secret at another cell.
    let gamma = Cell::new("gamma", 3);
    let mut at_gamma = beta.offer();
    at_gamma.claims = gamma.claims;
    let (_, join) = alpha.begin(&at_gamma);
    let refused = beta.answer(&beta.offer(), &join);
    assert!(
        matches!(refused, Err(CellError::OtherInvite)),
        "{refused:?}"
    );
}

#[test]
fn joiner_is_bound_to_its_nonce_and_a_message_counts_once() {
    let (alpha, beta) = two();
    let (joining, join) = alpha.begin(&beta.offer());
    let (inviting, welcome) = beta.answer(&beta.offer(), &join).unwrap();
    let (reveal, _) = joining.welcomed(&welcome).unwrap();
    // Whoever knows the secret can prove another nonce, and is bound all the same.
    let nonce = [3; 32];
    let parts = [&inviting.join, &inviting.welcome, &nonce];
    let other = Reveal {
        nonce: Base64Url::from(nonce.to_vec()),
        proof: proof::proof(&beta.offer().secret, REVEAL, &parts),
    };
    let refused = inviting.revealed(&other);
    assert!(matches!(refused, Err(CellError::Nonce)), "{refused:?}");
    // A message of one exchange is none of the next.
    let (claims, nonce) = (beta.claims.clone(), Secret::new([4; 32]));
    let again = Inviting::answer(beta.offer(), &join, claims, &beta.key, nonce, at(0));
    let (inviting, other_welcome) = again.unwrap();
    let refused = inviting.revealed(&reveal);
    assert!(matches!(refused, Err(CellError::Secret)), "{refused:?}");
    let mut joining = alpha.begin(&beta.offer()).0;
    joining.join = [0; 32];
    let refused = joining.welcomed(&other_welcome);
    assert!(
        matches!(refused, Err(CellError::OtherInvite)),
        "{refused:?}"
    );
}

#[test]
fn somebody_in_between_gives_two_codes() {
    let (alpha, beta) = two();
    // Eve has stolen the invite, and answers in the place of Beta with one of her own.
    let eve = Cell::new("eve", 4);
    let mut stolen = beta.offer();
    stolen.claims = eve.claims.clone();
    let (at_alpha, join) = alpha.begin(&stolen);
    let (_, welcome) = eve.answer(&stolen, &join).unwrap();
    let seen = at_alpha.welcomed(&welcome).unwrap().1.code;
    let (at_eve, join) = eve.begin(&beta.offer());
    let (inviting, welcome) = beta.answer(&beta.offer(), &join).unwrap();
    let (reveal, _) = at_eve.welcomed(&welcome).unwrap();
    assert_ne!(seen, inviting.revealed(&reveal).unwrap().code);
}

/// What stands in the place of a character.
fn altered(text: &str, place: prop::sample::Index, by: char) -> Option<String> {
    let mut characters: Vec<char> = text.chars().collect();
    let place = place.index(characters.len());
    if characters[place] == by {
        return None;
    }
    characters[place] = by;
    Some(characters.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn altered_invite_is_refused(place: prop::sample::Index, by in "[ -~]") {
        let beta = Cell::new("beta", 2);
        let text = serde_json::to_string(&Invite::seal(&beta.offer(), &beta.key).unwrap()).unwrap();
        let by = by.chars().next().unwrap();
        if let Some(text) = altered(&text, place, by)
            && let Ok(invite) = serde_json::from_str::<Invite>(&text)
        {
            // The hint which key it was may be written otherwise; the document may not.
            if let Ok(offer) = invite.open(at(0)) {
                prop_assert_eq!(offer, beta.offer());
            }
        }
    }

    #[test]
    fn altered_join_is_refused(place: prop::sample::Index, by in "[ -~]") {
        let (alpha, beta) = two();
        let text = serde_json::to_string(&alpha.begin(&beta.offer()).1).unwrap();
        let by = by.chars().next().unwrap();
        if let Some(text) = altered(&text, place, by)
            && let Ok(join) = serde_json::from_str::<Join>(&text)
            && let Ok((inviting, _)) = beta.answer(&beta.offer(), &join)
        {
            prop_assert_eq!(inviting.joiner(), &alpha.claims);
        }
    }
}
