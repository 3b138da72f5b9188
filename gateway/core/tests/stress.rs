use jetway_core::effects::shell::read;
use std::time::Instant;
#[test] fn stress(){
 let frags=["(",")","((","))","{","}","[","]","[[","]]","if ","then ","fi ","else ","elif ","while ","do ","done ","for i in ","case x in ","a) ","esac ",";;",";","&","&&","||","|","|&","\n","'","\"","`","$(","${","$((","x","ls ","cat .env ","=","a=","a[","$x","$","\\","<",">","<<A\n","<<'A'\n","A\n","<(",">(","<<<","~","~+9","9999999999","{1..9}","{a,b}","function f ","f() ","time ","! ","coproc ","#","*","?","@(","!(","env ","xargs ","eval ","bash -c '","\"$(","é","select x in ","-","--"," ","\t","let ","declare ","export ","2>&1","@P}",":-","//","%%","sudo ","find . -exec "," {} \\;","sed ","1e","git ","-c ","0","1"];
 let mut seed=0x9E3779B97F4A7C15u64; let mut r=||{seed^=seed<<13;seed^=seed>>7;seed^=seed<<17;seed};
 let n:u64=std::env::var("N").ok().and_then(|n|n.parse().ok()).unwrap_or(20000);
 let (mut clear,mut max)=(0,0u128);
 for _ in 0..n{ let len=r()%40+1; let few=r()%3==0; let base=(r()%80) as usize; let c:String=(0..len).map(|_| if few {frags[(base+(r()%4) as usize)%frags.len()]} else {frags[(r() as usize)%frags.len()]}).collect();
  std::fs::write("/tmp/last",&c).unwrap();
  let t=Instant::now(); let e=read(&c); let d=t.elapsed().as_millis(); if d>max&&d>30{max=d; println!("{d} ms {c:?} {:?}",e.unclear);} if e.unclear.is_none(){clear+=1;} }
 println!("{clear} clear of {n}");
}
