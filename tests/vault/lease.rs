//! The lease: one runner, and nothing from one that was followed.

use retentiond::{
    domain::{id::Digest, ledger::Head},
    ports::{Vault, VaultError},
};

use crate::{
    places::{Place, claim, expired},
    scenarios::{DEPLOYMENT, HEAD, ORIGIN, bucket, keys_gone, now, segment},
};

const NEXT: Head = Head { size: 8, root: Digest([8; 32]) };

async fn filled<P: Place>(place: &P) -> P::Store {
    let mut vault = place.create(ORIGIN, false, DEPLOYMENT).await.unwrap();
    vault.store(&[segment(&bucket("member", 1), "a", "a")], &HEAD, now()).await.unwrap();
    vault
}

/// Everything that a runner does to a vault fails because of the other one, and
/// changes nothing.
async fn assert_can_do_nothing(former: &mut impl Vault, witness: &mut impl Vault) {
    let before = (witness.batch(&"a".into()).await.unwrap(), witness.remembered_head().await.unwrap());
    let facts = witness.buckets().await.unwrap();
    let id = before.0[0].0;
    let refused = [
        former.store(&[segment(&bucket("member", 2), "b", "b")], &NEXT, now()).await,
        former.drop_batch(&"a".into()).await,
        former.replace(&[(id, Vec::new())]).await,
        former.erase(&keys_gone("member", facts.clone())).await.map(drop),
        former.remember_head(&NEXT).await,
        former.keep_lease().await,
    ];
    for (call, result) in refused.into_iter().enumerate() {
        let error = result.expect_err("a former holder is refused");
        assert!(matches!(error, VaultError::TakenOver { .. }), "call {call}: {error}");
        assert!(error.to_string().contains("another runner took over"), "{error}");
    }
    assert_eq!((witness.batch(&"a".into()).await.unwrap(), witness.remembered_head().await.unwrap()), before);
    assert_eq!(witness.buckets().await.unwrap(), facts);
}

pub async fn a_second_runner_is_told_who_has_the_lease_until_it_is_given_back(place: &impl Place) {
    let mut first = filled(place).await;
    for _ in 0..2 {
        let error = place.open_as(&claim("host-2")).await.unwrap_err();
        assert!(matches!(error, VaultError::Locked { .. }), "{error}");
        for part in ["host-1, process 1 holds its lease for another", "UTC by the vault's clock", "hint:"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        first.keep_lease().await.unwrap();
    }
    place.open_read_only(ORIGIN, DEPLOYMENT).await.unwrap();
    first.store(&[segment(&bucket("member", 1), "b", "b")], &NEXT, now()).await.unwrap();
    place.close(first).await;
    let mut second = place.open_as(&claim("host-2")).await.unwrap();
    second.drop_batch(&"b".into()).await.unwrap();
    let error = place.open_as(&claim("host-1")).await.unwrap_err();
    assert!(error.to_string().contains("host-2, process 1 holds"), "{error}");
}

pub async fn a_lease_that_is_over_is_taken_over_and_who_wakes_up_can_do_nothing(place: &impl Place) {
    place.close(filled(place).await).await;
    let mut former = place.open_as(&expired("host-1")).await.unwrap();
    former.remember_head(&HEAD).await.unwrap();
    let mut second = place.open_as(&claim("host-2")).await.unwrap();
    // A server may have ended its session: it opens another one.
    drop(former.buckets().await);
    assert_can_do_nothing(&mut former, &mut second).await;
    second.store(&[segment(&bucket("member", 2), "b", "b")], &NEXT, now()).await.unwrap();
    // Nor does it give back what is not its own.
    place.close(former).await;
    let error = place.open_as(&claim("host-3")).await.unwrap_err();
    assert!(error.to_string().contains("host-2"), "{error}");
    second.drop_batch(&"b".into()).await.unwrap();
}

/// Without any session ended: the transaction itself is what refuses.
pub async fn who_finds_another_number_in_the_lease_undoes_its_transaction(place: &impl Place) {
    let mut former = filled(place).await;
    let mut witness = place.open_read_only(ORIGIN, DEPLOYMENT).await.unwrap();
    place.run(&place.change_lease("99 9999999999999 seat host-2, process 5")).await;
    assert_can_do_nothing(&mut former, &mut witness).await;
    place.run(&place.change_lease("10 9999999999999 seat host-2, process 5")).await;
    assert_can_do_nothing(&mut former, &mut witness).await;
    place.run(&place.forget_lease()).await;
    assert_can_do_nothing(&mut former, &mut witness).await;
}

pub async fn who_has_the_same_seat_follows_at_once(place: &impl Place) {
    drop(filled(place).await);
    let mut second = place.open_as(&claim("host-1")).await.unwrap();
    second.drop_batch(&"a".into()).await.unwrap();
}

pub async fn a_lease_is_renewed_before_it_is_over_and_after_if_nobody_came(place: &impl Place) {
    let mut vault = filled(place).await;
    place.run(&place.change_lease("1 5 seat host-1, process 1")).await;
    vault.keep_lease().await.unwrap();
    let error = place.open_as(&claim("host-2")).await.unwrap_err();
    assert!(matches!(error, VaultError::Locked { .. }), "{error}");
    place.close(vault).await;

    let mut short = place.open_as(&expired("host-1")).await.unwrap();
    for _ in 0..20 {
        short.keep_lease().await.unwrap();
        short.remember_head(&HEAD).await.unwrap();
    }
}

pub async fn a_vault_that_never_had_a_lease_gets_one(place: &impl Place) {
    place.close(filled(place).await).await;
    place.run(&place.forget_lease()).await;
    let mut vault = place.open_as(&claim("host-2")).await.unwrap();
    vault.drop_batch(&"a".into()).await.unwrap();
    let mut reader = place.open_read_only(ORIGIN, DEPLOYMENT).await.unwrap();
    assert!(matches!(reader.keep_lease().await, Err(VaultError::Engine { .. })));
}
