//! Ten years of an invented shop, as rows in the order in which they happened.
//! The same size and instant give the same shop. No database here.

use anyhow::ensure;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{Months, NaiveDateTime, TimeDelta};
use serde::Serialize;
use serde_json::Value;

use super::{chance::Chance, people, wording};

const SEED: u64 = 0x5eed_0f1a_5c00_0001;
const YEARS: u32 = 10;
/// The first members carry the anomalies and never leave.
const MEMBERS_WITH_ANOMALIES: usize = 5;
/// Fewer could not show every case.
const MEMBERS_MIN: u32 = 20;
/// More would run out of telephone numbers that are nobody's.
const MEMBERS_MAX: u32 = 1_000_000;

#[derive(Debug, Serialize)]
pub struct Member {
    id: u64,
    email: String,
    name: String,
    phone: String,
    birth_date: String,
    joined_at: String,
    withdrawn_at: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Address {
    id: u64,
    member_id: u64,
    label: &'static str,
    recipient: String,
    street: String,
    phone: String,
}

#[derive(Debug, Serialize)]
pub struct Order {
    id: u64,
    member_id: u64,
    order_no: String,
    ordered_at: Option<String>,
    total: u64,
    memo: Option<&'static str>,
    status: &'static str,
}

#[derive(Debug, Serialize)]
pub struct OrderLine {
    id: u64,
    order_id: u64,
    product: String,
    quantity: u64,
    price: u64,
}

#[derive(Debug, Serialize)]
pub struct Payment {
    id: u64,
    order_id: u64,
    member_id: u64,
    method: &'static str,
    card_masked: Option<String>,
    amount: u64,
    paid_at: String,
}

#[derive(Debug, Serialize)]
pub struct Complaint {
    id: u64,
    member_id: u64,
    title: &'static str,
    body: String,
    answer: Option<String>,
    opened_at: String,
    resolved_at: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct IdentityCheck {
    id: u64,
    member_id: u64,
    ci: String,
    carrier: &'static str,
    checked_at: String,
}

#[derive(Debug, Serialize)]
pub struct Visit {
    id: u64,
    member_id: u64,
    ip: String,
    user_agent: &'static str,
    path: String,
    /// Text, but for the one that an older release wrote as a number.
    visited_at: Value,
}

#[derive(Debug, Serialize)]
pub struct AbuseLog {
    id: u64,
    member_id: u64,
    ip: String,
    kind: &'static str,
    detail: String,
    recorded_at: String,
}

/// All rows, by table.
#[derive(Debug, Default)]
pub struct Shop {
    pub members: Vec<Member>,
    pub addresses: Vec<Address>,
    pub orders: Vec<Order>,
    pub order_lines: Vec<OrderLine>,
    pub payments: Vec<Payment>,
    pub complaints: Vec<Complaint>,
    pub identity_checks: Vec<IdentityCheck>,
    pub visits: Vec<Visit>,
    pub abuse_logs: Vec<AbuseLog>,
    /// Members that left within the last four days.
    pub just_left: Vec<u64>,
}

/// A member's time with the shop.
#[derive(Debug, Clone, Copy)]
struct Stay {
    member_id: u64,
    from: NaiveDateTime,
    to: NaiveDateTime,
}

/// Invents the shop as it stands at `now`, a naive instant of the shop's zone.
pub fn invent(members: u32, now: NaiveDateTime) -> anyhow::Result<Shop> {
    ensure!((MEMBERS_MIN..=MEMBERS_MAX).contains(&members), "the shop needs {MEMBERS_MIN} to {MEMBERS_MAX} members");
    let mut chance = Chance::new(SEED);
    let mut shop = Shop::default();
    let stays = shop.enrol(&mut chance, members, now);
    shop.give_addresses(&mut chance, &stays);
    shop.take_orders(&mut chance, &stays, now);
    shop.take_anomalous_orders(&mut chance, now);
    shop.hear_complaints(&mut chance, &stays, now);
    shop.check_identities(&mut chance, &stays);
    shop.receive_visits(&mut chance, &stays);
    shop.log_abuse(&mut chance, &stays);
    Ok(shop)
}

impl Shop {
    fn enrol(&mut self, chance: &mut Chance, members: u32, now: NaiveDateTime) -> Vec<Stay> {
        let opening = now.checked_sub_months(Months::new(12 * YEARS)).unwrap_or(now);
        let newest = now - TimeDelta::days(30);
        let mut joined: Vec<_> = (0..members).map(|_| chance.moment(opening, newest)).collect();
        joined.sort_unstable();

        let leaving_now = leaving_now(joined.len());
        let mut stays = Vec::with_capacity(joined.len());
        for (position, from) in joined.into_iter().enumerate() {
            let member_id = position as u64 + 1;
            let left = if position < MEMBERS_WITH_ANOMALIES {
                None
            } else if leaving_now.contains(&position) {
                self.just_left.push(member_id);
                Some(chance.moment(now - TimeDelta::days(4), now - TimeDelta::hours(1)))
            } else {
                chance.percent(12).then(|| chance.moment(from + TimeDelta::days(1), now))
            };
            let person = people::member(chance, member_id);
            self.members.push(Member {
                id: member_id,
                email: person.email,
                name: person.name,
                phone: person.phone,
                birth_date: people::birth_date(chance),
                joined_at: stamp(from),
                withdrawn_at: match position {
                    0 => Some("0000-00-00 00:00:00".to_owned()),
                    1 => Some("2021-13-45 10:00:00".to_owned()),
                    _ => left.map(stamp),
                },
            });
            stays.push(Stay { member_id, from, to: left.unwrap_or(now) });
        }
        stays
    }

    fn give_addresses(&mut self, chance: &mut Chance, stays: &[Stay]) {
        for stay in stays {
            for _ in 0..1 + chance.below(4) / 3 {
                let id = self.addresses.len() as u64 + 1;
                self.addresses.push(Address {
                    id,
                    member_id: stay.member_id,
                    label: chance.pick(&wording::LABELS),
                    recipient: people::recipient(chance),
                    street: people::street(chance, id),
                    phone: people::recipient_phone(id),
                });
            }
        }
    }

    fn take_orders(&mut self, chance: &mut Chance, stays: &[Stay], now: NaiveDateTime) {
        for (at, member_id) in moments(chance, stays, |chance| 3 + chance.below(2)) {
            let order_id = self.orders.len() as u64 + 1;
            let total = self.fill_basket(chance, order_id);
            let paid = at + TimeDelta::seconds(chance.pick(&[40, 95, 300, 90_000, 200_000]));
            let status = if paid >= now {
                "pending"
            } else if chance.percent(4) {
                "cancelled"
            } else {
                chance.pick(&["delivered", "delivered", "delivered", "delivered", "returned"])
            };
            self.orders.push(Order {
                id: order_id,
                member_id,
                order_no: format!("F{}-{order_id:07}", at.format("%Y%m%d")),
                ordered_at: Some(stamp(at)),
                total,
                memo: chance.percent(40).then(|| chance.pick(&wording::MEMOS)),
                status,
            });
            if !["pending", "cancelled"].contains(&status) {
                self.pay(chance, order_id, member_id, total, paid);
            }
        }
    }

    /// Puts lines into an order and returns what they cost, in won.
    fn fill_basket(&mut self, chance: &mut Chance, order_id: u64) -> u64 {
        let mut total = 0;
        for _ in 0..1 + chance.below(3) {
            let id = self.order_lines.len() as u64 + 1;
            let (product, price) = if chance.percent(20) {
                let (product, price) = chance.pick(&wording::ENGRAVED);
                (format!("{product} 「{} · {id:07}」", chance.pick(&wording::ENGRAVINGS)), price)
            } else {
                let (product, price) = chance.pick(&wording::PRODUCTS);
                (product.to_owned(), price)
            };
            let quantity = 1 + chance.below(3);
            total += quantity * price;
            self.order_lines.push(OrderLine { id, order_id, product, quantity, price });
        }
        total
    }

    fn pay(&mut self, chance: &mut Chance, order_id: u64, member_id: u64, amount: u64, at: NaiveDateTime) {
        let id = self.payments.len() as u64 + 1;
        let method = chance.pick(&["card", "card", "card", "transfer", "mobile"]);
        self.payments.push(Payment {
            id,
            order_id,
            member_id,
            method,
            card_masked: (method == "card").then(|| people::masked_card(id)),
            amount,
            paid_at: stamp(at),
        });
    }

    /// Orders whose date is missing, in the future, and from before the shop.
    fn take_anomalous_orders(&mut self, chance: &mut Chance, now: NaiveDateTime) {
        let future = now.checked_add_months(Months::new(24)).map(stamp);
        let dates = [None, future, Some("1899-12-30 00:00:00".to_owned())];
        for (member_id, ordered_at) in (3..).zip(dates) {
            let order_id = self.orders.len() as u64 + 1;
            let total = self.fill_basket(chance, order_id);
            self.orders.push(Order {
                id: order_id,
                member_id,
                order_no: format!("F00000000-{order_id:07}"),
                ordered_at,
                total,
                memo: None,
                status: "imported",
            });
        }
    }

    fn hear_complaints(&mut self, chance: &mut Chance, stays: &[Stay], now: NaiveDateTime) {
        for (at, member_id) in moments(chance, stays, |chance| chance.below(10) / 7) {
            let id = self.complaints.len() as u64 + 1;
            let (title, body) = chance.pick(&wording::COMPLAINTS);
            let resolved = at + TimeDelta::hours(5) + TimeDelta::seconds(chance.below(864_000).cast_signed());
            let resolved = (resolved < now && !chance.percent(5)).then_some(resolved);
            self.complaints.push(Complaint {
                id,
                member_id,
                title,
                body: format!("{body} (접수번호 {id:06}-{})", people::token(chance, 8)),
                answer: resolved.map(|_| format!("{} (처리번호 {id:06})", chance.pick(&wording::ANSWERS))),
                opened_at: stamp(at),
                resolved_at: resolved.map(stamp),
            });
        }
    }

    fn check_identities(&mut self, chance: &mut Chance, stays: &[Stay]) {
        for (at, member_id) in moments(chance, stays, |chance| chance.below(4).min(1)) {
            let mut ci = [0; 64];
            for part in ci.chunks_exact_mut(8) {
                part.copy_from_slice(&chance.next().to_le_bytes());
            }
            self.identity_checks.push(IdentityCheck {
                id: self.identity_checks.len() as u64 + 1,
                member_id,
                ci: STANDARD.encode(ci),
                carrier: chance.pick(&["SKT", "KT", "LGU+", "알뜰폰"]),
                checked_at: stamp(at),
            });
        }
    }

    fn receive_visits(&mut self, chance: &mut Chance, stays: &[Stay]) {
        for (at, member_id) in moments(chance, stays, |chance| 8 + chance.below(5)) {
            self.visits.push(Visit {
                id: self.visits.len() as u64 + 1,
                member_id,
                ip: people::ip(chance),
                user_agent: chance.pick(&wording::USER_AGENTS),
                path: format!("/products/{}?sid={}", 1 + chance.below(22), people::token(chance, 16)),
                visited_at: Value::String(stamp(at)),
            });
        }
        if let Some(first) = self.visits.first_mut() {
            first.visited_at = Value::from(1_600_000_000);
        }
    }

    fn log_abuse(&mut self, chance: &mut Chance, stays: &[Stay]) {
        for (at, member_id) in moments(chance, stays, |chance| chance.below(12) / 11) {
            let (kind, detail) = chance.pick(&wording::ABUSES);
            self.abuse_logs.push(AbuseLog {
                id: self.abuse_logs.len() as u64 + 1,
                member_id,
                ip: people::ip(chance),
                kind,
                detail: format!("{detail}, 세션 {}", people::token(chance, 16)),
                recorded_at: stamp(at),
            });
        }
    }
}

/// Positions of some members, old ones and new ones, that left just now.
fn leaving_now(members: usize) -> Vec<usize> {
    let count = (members / 400).max(3);
    let step = (members - MEMBERS_WITH_ANOMALIES) / (count + 1);
    (1..=count).map(|number| MEMBERS_WITH_ANOMALIES + number * step).collect()
}

/// Draws `count` moments in each stay, and sorts all of them by time.
fn moments(chance: &mut Chance, stays: &[Stay], count: impl Fn(&mut Chance) -> u64) -> Vec<(NaiveDateTime, u64)> {
    let mut moments = Vec::new();
    for stay in stays {
        for _ in 0..count(chance) {
            moments.push((chance.moment(stay.from, stay.to), stay.member_id));
        }
    }
    moments.sort_unstable();
    moments
}

/// How the shop writes an instant.
fn stamp(at: NaiveDateTime) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}
