use jetway_core::effects::{Effect, Place, Word, shell::read};
fn place(p:&Place)->String{match p{Place::Path(p)=>p.clone(),Place::Glob(p)=>format!("glob {p}"),Place::Tree(p)=>format!("tree {p}"),Place::Unknown=>"?".into()}}
fn render(c:&str)->String{
 let e=read(c);
 let mut v:Vec<String>=e.list.iter().map(|e|match e{
  Effect::Runs(w)=>format!("[{}]",w.iter().map(|w|match w{Word::Literal(t)=>t.clone(),Word::Unknown=>"?".into()}).collect::<Vec<_>>().join(" ")),
  Effect::Reads(p)=>format!("<{}",place(p)),Effect::Writes(p)=>format!(">{}",place(p)),
  Effect::Fetches(a)=>format!("@{}",a.clone().unwrap_or("?".into())),Effect::Sends=>"sends".into()}).collect();
 if let Some(w)=e.unclear{v.push(format!("UNCLEAR {w}"));}
 v.join(" ")
}
#[test] fn probe(){
 let t=std::fs::read_to_string("/tmp/probe.txt").unwrap();
 for block in t.split("\n%%\n"){ let b=block.trim_end_matches('\n'); println!("{}\n    => {}",b,render(b)); }
}
