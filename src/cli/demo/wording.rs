//! What the demonstration's shop sells, and what its members and its staff write.

/// Product and price in won.
pub const PRODUCTS: [(&str, u64); 20] = [
    ("보온 플라스크 500ml", 32_000),
    ("보온 플라스크 750ml", 38_000),
    ("유리 텀블러", 18_500),
    ("드립 서버 세트", 46_000),
    ("원두 에티오피아 200g", 14_900),
    ("원두 콜롬비아 500g", 27_000),
    ("콜드브루 12팩 🧊", 33_600),
    ("핸드밀", 52_000),
    ("전기 주전자", 69_000),
    ("여과지 100매", 4_800),
    ("머그컵", 12_000),
    ("티 포트", 29_000),
    ("얼그레이 티백 50입", 15_500),
    ("우유 거품기", 21_000),
    ("실리콘 뚜껑", 3_900),
    ("세척 솔 세트", 7_200),
    ("도시락 가방", 19_800),
    ("캠핑용 컵 세트 🏕️", 24_000),
    ("정기구독 3개월", 81_000),
    ("선물 포장 🎁", 3_000),
];

/// Products that carry words of the buyer's choice.
pub const ENGRAVED: [(&str, u64); 2] = [("각인 머그컵", 19_000), ("각인 플라스크", 41_000)];

pub const ENGRAVINGS: [&str; 6] =
    ["늘 곁에", "생일 축하해", "우리 집 바리스타", "결혼 10주년", "수고했어 오늘도", "첫 출근"];

pub const MEMOS: [&str; 8] = [
    "문 앞에 놓아주세요",
    "부재 시 경비실에 맡겨주세요 🙏",
    "배송 전에 전화 주세요",
    "벨 누르지 말아주세요, 아기가 자요 👶",
    "공동현관 비밀번호는 문자로 보내드릴게요",
    "빠른 배송 부탁드려요 🚚💨",
    "택배함에 넣어주세요",
    "강아지가 있어요 🐶 조심하세요",
];

pub const LABELS: [&str; 4] = ["집", "회사", "부모님 댁", "🏠 우리집"];

/// Title and body of a complaint.
pub const COMPLAINTS: [(&str, &str); 6] = [
    ("파손된 상품이 왔습니다", "상자를 열어 보니 손잡이가 깨져 있었습니다. 사진을 첨부하니 교환해 주세요."),
    ("배송이 너무 늦어요", "주문한 지 열흘이 지났는데 아직도 상품 준비 중이라고 나옵니다. 언제 받을 수 있나요? 😡"),
    ("환불이 되지 않았어요", "청약철회를 신청하고 물건을 돌려보낸 지 일주일이 넘었는데 환불이 되지 않았습니다."),
    ("주문과 다른 색상입니다", "남색을 주문했는데 검은색이 왔습니다. 맞는 색상으로 다시 보내주세요."),
    ("쿠폰이 적용되지 않아요", "생일 쿠폰이 결제 화면에서 사라졌습니다. 확인 부탁드립니다."),
    ("광고 문자를 그만 보내주세요", "수신 거부를 눌렀는데도 계속 문자가 옵니다. 처리해 주세요."),
];

pub const ANSWERS: [&str; 4] = [
    "불편을 드려 죄송합니다. 새 상품을 오늘 보내드렸습니다.",
    "확인이 늦어 죄송합니다. 환불 처리를 마쳤습니다.",
    "담당 부서에서 원인을 찾아 바로잡았습니다. 감사합니다 🙇",
    "요청하신 대로 처리해 드렸습니다.",
];

pub const USER_AGENTS: [&str; 5] = [
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/125.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.4 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
];

/// Kind of abuse, and what the log says of it.
pub const ABUSES: [(&str, &str); 4] = [
    ("coupon", "같은 쿠폰을 여러 계정에서 사용하려 함"),
    ("login", "짧은 시간에 로그인 실패가 반복됨"),
    ("review", "구매하지 않은 상품에 후기를 반복 등록함"),
    ("return", "사용한 상품을 새 상품과 바꾸어 반품함"),
];
