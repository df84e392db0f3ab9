use super::*;

#[test]
fn days_are_dates() {
    for (days, date) in [(0, 19_700_101), (11_016, 20_000_229), (20_685, 20_260_820)] {
        assert_eq!(civil(days), date);
    }
}
