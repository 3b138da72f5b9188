use super::*;

#[test]
fn deep() {
    for unit in ["[", "(", "!", "a=>", "{", "a=", "a?", "`${", "if(a)", "new ", "-", "a+", "a.", "a(", "a:", "a?b:", "async()=>", "function a(){", "class a extends ", "x=[", "await ", "()=>{", "[...", "({a:"] {
        for end in ["", "1"] {
            let source = unit.repeat(MAX_SOURCE / unit.len() - 1) + end;
            eprintln!("{unit}"); read(&source, &|_, _| Effects::default());
        }
    }
}
