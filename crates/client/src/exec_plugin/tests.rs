use super::*;
use crate::mutation::texts;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever a plugin prints, a token in it is not repeated.
    #[test]
    fn answers(text in texts(include_str!("../../tests/corpus/credential"))) {
        let plugin = Plugin {
            config: ExecConfig {
                api_version: format!("{GROUP}/v1"),
                command: "plugin".into(),
                args: Vec::new(),
                env: Vec::new(),
                install_hint: String::new(),
                interactive_mode: None,
                provide_cluster_info: false,
            },
            mode: InteractiveMode::Never,
            cluster: None,
        };
        if let Err(error) = plugin.understand(text.as_bytes()) {
            let told = error.to_string();
            prop_assert!(told.len() < 400 && !told.contains("canary"), "{}", told);
        }
    }
}
