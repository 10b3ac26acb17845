//! The statutes that a rule may name as its basis, catalogue `kr`.
//!
//! This version knows the ids only, so that a basis is never a slip of the pen.
//! It does not hold the periods that the statutes ask for, and compares no rule
//! with them.

/// Every id of the catalogue, by act.
pub const IDS: [&str; 16] = [
    "kr.ecommerce.advertising",
    "kr.ecommerce.contract",
    "kr.ecommerce.payment",
    "kr.ecommerce.dispute",
    "kr.telecom-secrets.telephony",
    "kr.telecom-secrets.internet",
    "kr.network.identity",
    "kr.e-finance.record",
    "kr.e-finance.small",
    "kr.tax.books",
    "kr.commercial.books",
    "kr.commercial.slips",
    "kr.location.log",
    "kr.credit.nonessential",
    "kr.credit.essential",
    "kr.pipa.access-log",
];
